"""Posteriors as files: one safetensors file with the family, its groups and all its numbers.

A tensor is called after its field, as `scale`, or after its field and its name, as
`means/lm_head.weight`. The metadata say, as one JSON object under `pacbayes`, the family, the
groups, and the order of the names in each field, which is that of the normals; and if it was made
from a checkpoint, its hash.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from pacbayes import strict_json
from pacbayes.errors import InputError, WriteError
from pacbayes.files import filling
from pacbayes.posteriors.checks import require_finite
from pacbayes.posteriors.families import lookup, name_of
from pacbayes.posteriors.family import Family
from pacbayes.weights_file import read_weights_file

SCHEMA = "pacbayes.posterior/1"
_GROUPS = "groups"
_CHECKPOINT = "checkpoint"


def save(posterior: Family, path: str | Path, *, checkpoint: str | None = None) -> None:
    """Writes a posterior, all of it or nothing; it comes back bit for bit.

    Args:
        posterior: It.
        path: Where to; missing folders are made.
        checkpoint: SHA-256 of the checkpoint that it was made from, to be noted in the file.

    Raises:
        WriteError: The file cannot be written.
    """
    tensors: dict[str, Tensor] = {}
    outline: dict[str, Any] = {"schema": SCHEMA, "family": name_of(posterior)}
    if checkpoint is not None:
        outline[_CHECKPOINT] = checkpoint
    for field in fields(posterior):
        value = getattr(posterior, field.name)
        if field.name == _GROUPS:
            outline[_GROUPS] = {group: list(members) for group, members in value.items()}
        elif isinstance(value, Tensor):
            tensors[field.name] = value
        else:
            outline[field.name] = list(value)
            tensors |= {f"{field.name}/{name}": tensor for name, tensor in value.items()}
    # copies: the format knows no two tensors that share memory
    copies = {name: t.detach().cpu().contiguous().clone() for name, t in tensors.items()}
    _write(copies, {"pacbayes": json.dumps(outline)}, Path(path))


def _write(tensors: dict[str, Tensor], metadata: dict[str, str], path: Path) -> None:
    try:
        with filling(path.parent) as partial:  # the library writes to a name of its own first
            save_file(tensors, partial / path.name, metadata=metadata)
    except SafetensorError as error:
        raise WriteError(f"cannot be written: {error}.", path=path) from error


def load(path: str | Path) -> Family:
    """Reads what `save` has written.

    Raises:
        InputError: Anything else: another file, a tensor that is missing, unknown, of the wrong
            shape or not finite, a scale that is not positive, a singular factor, groups that are
            no partition; the file is named.
    """
    tensors, metadata = read_weights_file(Path(path), "cannot be read as a saved posterior")
    try:
        posterior = _build(_outline(metadata), tensors)
        for name, mean in posterior.means.items():
            require_finite(f"`means`: {name!r}", mean)
        for block in posterior.blocks:
            posterior.correlation_upper(block)
    except InputError as error:
        raise InputError(str(error), path=path) from error
    return posterior


def _outline(metadata: Mapping[str, str]) -> dict[str, Any]:
    """The description of the file: a schema, a family, lists of unique names, groups of names."""
    try:
        outline = strict_json.parse(metadata.get("pacbayes", "null"))
    except strict_json.JsonError as error:
        raise InputError(f"its metadata are damaged: {error}.") from error
    if not isinstance(outline, dict) or outline.get("schema") != SCHEMA:
        raise InputError(f"is no saved posterior of the schema {SCHEMA!r}.")
    return outline


def _build(outline: dict[str, Any], tensors: dict[str, Tensor]) -> Family:
    family = lookup(str(outline.pop("family", None)))
    del outline["schema"]
    outline.pop(_CHECKPOINT, None)  # a note for those who check the file
    rest = dict(tensors)
    values: dict[str, Any] = {}
    for field in fields(family):
        if field.type == "Tensor":
            values[field.name] = _take(rest, field.name)
        elif field.name == _GROUPS:
            values[_GROUPS] = _groups(outline.pop(_GROUPS, None))
        else:
            names = _names(field.name, outline.pop(field.name, None))
            values[field.name] = {name: _take(rest, f"{field.name}/{name}") for name in names}
    for left in sorted([*rest, *outline]):
        raise InputError(f"holds {left!r}, which this family does not have.")
    return family(**values)


def _take(tensors: dict[str, Tensor], name: str) -> Tensor:
    if name not in tensors:
        raise InputError(f"lacks the tensor {name!r}.")
    return tensors.pop(name)


def _names(field: str, listed: Any) -> list[str]:
    good = isinstance(listed, list) and all(isinstance(name, str) for name in listed)
    if not good or len(set(listed)) != len(listed):
        raise InputError(f"its metadata are damaged: `{field}` must list different names.")
    return list(listed)


def _groups(listed: Any) -> dict[str, tuple[str, ...]]:
    if not isinstance(listed, dict):
        raise InputError("its metadata are damaged: `groups` must be an object.")
    return {group: tuple(_names(_GROUPS, members)) for group, members in listed.items()}
