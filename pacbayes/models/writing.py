"""Writing a network as a checkpoint folder that transformers or peft loads."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from pacbayes.errors import WriteError
from pacbayes.files import filling, unfinished, unwritable
from pacbayes.models import folder as folders
from pacbayes.models.fine_tuned import FineTuned
from pacbayes.models.loading import Source


@contextmanager
def computing_with(model: FineTuned, weights: Mapping[str, Tensor]) -> Iterator[None]:
    """A context in which the model computes with other weights, rounded to its own type.

    Args:
        model: The model; its own weights come back bit for bit.
        weights: New values of covered tensors by name.
    """
    before = {name: model.noise.tensors[name].detach().clone() for name in weights}
    model.noise.recentre(weights)
    try:
        yield
    finally:
        model.noise.recentre(before)


@contextmanager
def saving(folder: Path) -> Iterator[Path]:
    """`filling` with a checkpoint, whose libraries have an error of their own for a full disk.

    Raises:
        WriteError: It cannot be written.
    """
    try:
        with filling(folder) as partial:
            yield partial
    except SafetensorError as error:
        raise WriteError(f"cannot be written: {error}.", path=folder) from error


def write_checkpoint(
    model: FineTuned, folder: Path, *, extra: Mapping[str, bytes] | None = None
) -> Source:
    """Writes what the model computes with, in place of what the folder held before.

    An adapter becomes a PEFT folder that names its base by its full path; a full model a Hugging
    Face folder with its tokenizer.

    Args:
        model: The model.
        folder: Where to; it appears when it is complete.
        extra: Contents of further files by name.

    Raises:
        WriteError: It cannot be written.
    """
    partial = unfinished(folder)
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        _write_model(model, partial)
        for name, content in (extra or {}).items():
            (partial / name).write_bytes(content)
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(partial, folder)
    except OSError as error:
        raise unwritable(folder, error) from error
    except SafetensorError as error:
        raise WriteError(f"cannot be written: {error}.", path=folder) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return Source(path=str(folder), sha256=folders.identity(folder))


def _write_model(model: FineTuned, folder: Path) -> None:
    network: Any = model.model
    if model.base is None:
        network.save_pretrained(str(folder), safe_serialization=True)
        model.tokenizer.save_pretrained(str(folder))
        return
    from peft import get_peft_model_state_dict

    config = folders.read_json(Path(model.folder.path) / folders.ADAPTER_CONFIG)
    config["base_model_name_or_path"] = str(Path(model.base.path).resolve())
    text = json.dumps(config, indent=2, ensure_ascii=False)
    (folder / folders.ADAPTER_CONFIG).write_text(text, encoding="utf-8")
    tensors = {k: v.contiguous().cpu() for k, v in get_peft_model_state_dict(network).items()}
    path = folder / "adapter_model.safetensors"
    save_file(tensors, path, metadata={"format": "pt"})
