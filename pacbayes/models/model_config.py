"""What a model's `config.json` may say, checked before a library builds anything from it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from pacbayes.errors import InputError
from pacbayes.models import folder as folders

TOKENIZER_CONFIG = "tokenizer_config.json"

_COUNTED = re.compile(r"(layer|block|expert|head|group)s?$|^depths?$")
"""Names of what a model is built in loops over."""


def check_no_code(folder: Path) -> None:
    """Neither model nor tokenizer of a folder needs code that is not in the libraries.

    Raises:
        InputError: One does, or its configuration cannot be read.
    """
    for name in (folders.FULL_CONFIG, "generation_config.json", TOKENIZER_CONFIG):
        if not (folder / name).is_file():
            continue
        for field, value in _fields(folders.read_json(folder / name, constants=True)):
            foreign = field.endswith("_implementation") and "/" in str(value)
            if value is not None and (field == "auto_map" or foreign):
                raise InputError(
                    "needs code from its own folder or from a hub, which is never run: "
                    f"`{field}` is {str(value)[:100]!r}.",
                    path=folder / name,
                )


def check_config(config: Mapping[str, Any], tensors: Mapping[str, Tensor], folder: Path) -> None:
    """A configuration is of a kind of model, and not of a larger one than the weights belong to.

    What is counted in a model (layers, heads, experts) has a tensor for each, or a row of one; a
    model with more would be built, slowly, only to find that its weights are missing.

    Raises:
        InputError: It is something else.
    """
    path = folder / folders.FULL_CONFIG
    if not isinstance(config.get("model_type"), str):
        raise InputError("`model_type` must be the name of a kind of model.", path=path)
    if "transformers_weights" in config:
        raise InputError(
            "`transformers_weights` names another file of weights than the folder's own.", path=path
        )
    most = max([len(tensors), *(length for tensor in tensors.values() for length in tensor.shape)])
    for field, value in _fields(config):
        if _COUNTED.search(field) and isinstance(value, (int, float)) and value > most:
            raise InputError(
                f"`{field}` is {value!r}, but the weights have {len(tensors)} tensors and no "
                f"dimension above {most}; config and weights do not belong together.",
                path=path,
            )


def _fields(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Everything in a configuration with the name that it stands under."""
    inside: list[tuple[str, Any]] = [(name, value)]
    while inside:
        name, value = inside.pop()
        yield name, value
        if isinstance(value, dict):
            inside.extend(value.items())
        elif isinstance(value, list):
            inside.extend((name, item) for item in value)
