"""Reading the weights of a checkpoint folder without running anything that is in it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from pacbayes.errors import InputError

ADAPTER_CONFIG = "adapter_config.json"
FULL_CONFIG = "config.json"
_STEMS = {ADAPTER_CONFIG: "adapter_model", FULL_CONFIG: "model"}
_DEFINING = (
    *(ADAPTER_CONFIG, FULL_CONFIG, "chat_template.jinja", "tokenizer.json", "tokenizer.model"),
    *("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.json"),
    *("merges.txt", "vocab.txt", "spiece.model"),
)
_PICKLES = {ADAPTER_CONFIG: "adapter_model.bin", FULL_CONFIG: "pytorch_model.bin"}


def config_name(folder: Path) -> str:
    """Which kind of checkpoint a folder holds: the name of the config file that is in it.

    Raises:
        InputError: The folder is missing, is a file, or holds no model or several.
    """
    if not folder.exists():
        raise InputError(
            "no such folder; give the folder that `save_pretrained` wrote.", path=folder
        )
    if not folder.is_dir():
        raise InputError("is a file; give the folder that it lies in.", path=folder)
    for name in (ADAPTER_CONFIG, FULL_CONFIG):
        if (folder / name).is_file():
            return name
    numbered = sorted(p.name for p in folder.glob("checkpoint-*") if p.is_dir())
    if numbered:
        raise InputError(
            f"holds no model itself but {', '.join(numbered)}; name one of them.", path=folder
        )
    raise InputError(f"has neither {ADAPTER_CONFIG} nor {FULL_CONFIG}.", path=folder)


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file; anything else is an InputError naming the file."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError("no such file.", path=path) from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"not valid JSON: {error}.", path=path) from None
    if not isinstance(value, dict):
        raise InputError("must hold a JSON object.", path=path)
    return value


def weight_files(folder: Path, *, allow_pickle: bool = False) -> list[Path]:
    """The files that hold a folder's weights, sorted.

    Raises:
        InputError: No weights, a pickle without `allow_pickle`, or an index that names a file that
            is missing or lies outside the folder.
    """
    config = config_name(folder)
    single = folder / f"{_STEMS[config]}.safetensors"
    index = folder / f"{_STEMS[config]}.safetensors.index.json"
    if single.is_file():
        return [single]
    if index.is_file():
        return _shards(folder, index)
    pickled = folder / _PICKLES[config]
    if not pickled.is_file():
        raise InputError(
            f"has {config} but no weights; {single.name} is missing (an unfinished save?).",
            path=folder,
        )
    if not allow_pickle:
        raise InputError(
            "is a pickle, which can run code when it is read. Save the model again with "
            "safe_serialization=True, or give --allow-pickle if you trust it.",
            path=pickled,
        )
    return [pickled]


def _shards(folder: Path, index: Path) -> list[Path]:
    weight_map = read_json(index).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise InputError("has no `weight_map`.", path=index)
    names = sorted({str(name) for name in weight_map.values()})
    for name in names:
        if Path(name).name != name:
            raise InputError(f"names the shard {name!r}, which is outside the folder.", path=index)
        if not (folder / name).is_file():
            raise InputError(f"names the shard {name!r}, which is missing.", path=index)
    return [folder / name for name in names]


def read_tensors(folder: Path, *, allow_pickle: bool = False) -> dict[str, Tensor]:
    """Every tensor of a checkpoint folder by name, on the CPU, as stored; all are finite.

    Raises:
        InputError: A file that cannot be read, a tensor that is in two shards, NaN or infinity.
    """
    tensors: dict[str, Tensor] = {}
    for path in weight_files(folder, allow_pickle=allow_pickle):
        for name, tensor in _read_file(path).items():
            if name in tensors:
                raise InputError(f"repeats the tensor {name!r} of another shard.", path=path)
            if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
                raise InputError(
                    f"the tensor {name!r} holds NaN or infinity; the training that wrote it "
                    "diverged, take an earlier checkpoint.",
                    path=path,
                )
            tensors[name] = tensor
    return tensors


def _read_file(path: Path) -> dict[str, Tensor]:
    if path.suffix == ".bin":
        return _read_pickle(path)
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise InputError(
            f"cannot be read as safetensors ({error}); the file is truncated or damaged.",
            path=path,
        ) from None


def _read_pickle(path: Path) -> dict[str, Tensor]:
    try:
        value = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # unpickling fails in as many ways as there are pickles
        reason = str(error).splitlines()[0]
        raise InputError(f"cannot be read as a file of weights: {reason}", path=path) from None
    if not isinstance(value, dict) or not all(isinstance(v, Tensor) for v in value.values()):
        raise InputError("must hold a mapping from names to tensors.", path=path)
    return value


def identity(folder: Path, *, allow_pickle: bool = False) -> str:
    """SHA-256 of what makes a checkpoint the model that it is: weights, configuration, tokenizer.

    It is the digest of the list of those files as ``sha256sum`` prints it, sorted by name.
    """
    files = weight_files(folder, allow_pickle=allow_pickle)
    files += [folder / name for name in _DEFINING if (folder / name).is_file()]
    lines = [f"{_sha256(path)}  {path.name}\n" for path in sorted(files)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
