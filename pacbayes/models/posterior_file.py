"""`posterior.safetensors`: the means and scales of a Gaussian posterior, written and read again.

Tensors `mean/NAME` and `sigma/NAME` for each covered tensor NAME; the metadata names the checkpoint
that everything else comes from.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from pacbayes.errors import InputError
from pacbayes.models.fine_tuned import FineTuned
from pacbayes.models.loading import Source

NAME = "posterior.safetensors"
SCHEMA = "pacbayes.posterior/1"


def write_posterior(path: Path, model: FineTuned, sigmas: Mapping[str, float]) -> FineTuned:
    """Writes the model's centre and these scales, all or nothing.

    Returns:
        The model with the file as the source of its posterior.
    """
    tensors: dict[str, Tensor] = {}
    for name, mean in model.noise.tensors.items():
        tensors[f"mean/{name}"] = mean.detach().cpu().contiguous()
        tensors[f"sigma/{name}"] = torch.tensor(sigmas[name], dtype=torch.float64)
    note = {"schema": SCHEMA, "checkpoint_sha256": _checkpoint_of(model)}
    # one key only: safetensors writes several in no fixed order, and the hash must be repeatable
    content = save(tensors, metadata={"pacbayes": json.dumps(note, sort_keys=True)})
    write_atomically(path, content)
    source = Source(path=str(path), sha256=hashlib.sha256(content).hexdigest())
    return replace(model, posterior=source, checkpoint=model.checkpoint or model.posterior)


def with_posterior(model: FineTuned, path: Path) -> FineTuned:
    """The model at the centre in a posterior file, to be certified with the scales in it.

    Raises:
        InputError: The file cannot be read, belongs to another checkpoint, or does not hold finite
            values of exactly the covered tensors.
    """
    tensors, note = _read(path)
    if note.get("schema") != SCHEMA:
        raise InputError(f"is no posterior: its schema is not {SCHEMA!r}.", path=path)
    if note.get("checkpoint_sha256") != _checkpoint_of(model):
        raise InputError(
            f"was made from another checkpoint than {model.posterior.path}; give the same "
            "--checkpoint.",
            path=path,
        )
    covered = model.noise.tensors
    wanted = {f"{kind}/{name}" for name in covered for kind in ("mean", "sigma")}
    for name in sorted(wanted ^ tensors.keys()):
        has = "has" if name in tensors else "lacks"
        raise InputError(
            f"{has} the tensor {name!r}, unlike the checkpoint and prior given.", path=path
        )
    for name, tensor in covered.items():
        _check(path, name, tensors[f"mean/{name}"], tensors[f"sigma/{name}"], tensor)
    moved = model.recentred({name: tensors[f"mean/{name}"] for name in covered})
    return replace(
        moved,
        suggested_sigmas={name: tensors[f"sigma/{name}"].item() for name in covered},
        posterior=Source(path=str(path), sha256=_sha256(path)),
        checkpoint=model.checkpoint or model.posterior,
        posterior_given=True,
    )


def _check(path: Path, name: str, mean: Tensor, sigma: Tensor, covered: Tensor) -> None:
    if mean.shape != covered.shape:
        raise InputError(
            f"the mean of {name!r} has shape {list(mean.shape)}, the checkpoint's tensor "
            f"{list(covered.shape)}.",
            path=path,
        )
    if not bool(torch.isfinite(mean).all()):
        raise InputError(f"the mean of {name!r} holds NaN or infinity.", path=path)
    if sigma.numel() != 1 or not 0 < sigma.item() < float("inf"):
        raise InputError(f"the sigma of {name!r} must be one positive number.", path=path)


def _checkpoint_of(model: FineTuned) -> str:
    return (model.checkpoint or model.posterior).sha256


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, object]]:
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            note = json.loads((file.metadata() or {}).get("pacbayes", "{}"))
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise InputError(f"cannot be read as a posterior ({error}).", path=path) from None
    return tensors, note if isinstance(note, dict) else {}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_atomically(path: Path, content: bytes) -> None:
    """A reader finds the old file or the new one, never a part; missing folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".part")
    temporary.write_bytes(content)
    os.replace(temporary, path)
