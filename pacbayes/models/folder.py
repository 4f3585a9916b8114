"""Reading the weights of a checkpoint folder without running anything that is in it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pacbayes import strict_json
from pacbayes.errors import InputError, refusing
from pacbayes.files import read_file
from pacbayes.weights_file import read_weights_file

ADAPTER_CONFIG = "adapter_config.json"
FULL_CONFIG = "config.json"
_STEMS = {ADAPTER_CONFIG: "adapter_model", FULL_CONFIG: "model"}
_DEFINING = (
    *(ADAPTER_CONFIG, FULL_CONFIG, "chat_template.jinja", "tokenizer.json", "tokenizer.model"),
    *("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.json"),
    *("merges.txt", "vocab.txt", "spiece.model"),
)
_PICKLES = {ADAPTER_CONFIG: "adapter_model.bin", FULL_CONFIG: "pytorch_model.bin"}
_NO_WEIGHTS = (torch.complex64, torch.complex128)


def config_name(folder: Path) -> str:
    """Which kind of checkpoint a folder holds: the name of the config file that is in it.

    Raises:
        InputError: The folder is missing, is a file, or holds no model or several.
    """
    if not is_folder(folder):
        if not os.path.lexists(folder):
            raise InputError(
                "no such folder; give the folder that `save_pretrained` wrote.", path=folder
            )
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


def is_folder(path: Path) -> bool:
    """Whether there is a folder; a name that no folder can have is that of none."""
    return os.path.isdir(path)


def read_json(path: Path, *, constants: bool = False) -> dict[str, Any]:
    """A JSON object from a file; anything else is an InputError naming the file.

    Args:
        path: The file.
        constants: Whether NaN and Infinity are numbers, as transformers writes them.
    """
    try:
        value = strict_json.parse(read_file(path).decode(), constants=constants)
    except FileNotFoundError:
        raise InputError("no such file.", path=path) from None
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}.", path=path) from None
    except (strict_json.JsonError, UnicodeDecodeError) as error:
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
    names = sorted(set(_weight_map(index).values()))
    for name in names:
        if Path(name).name != name or not name.endswith(".safetensors"):
            raise InputError(
                f"names the shard {name!r}, which is outside the folder or no safetensors file.",
                path=index,
            )
        if not os.path.isfile(folder / name):
            raise InputError(f"names the shard {name!r}, which is missing.", path=index)
    return [folder / name for name in names]


def _weight_map(index: Path) -> dict[str, str]:
    """The shard of each tensor."""
    found = read_json(index).get("weight_map")
    if not isinstance(found, dict) or not found:
        raise InputError("has no `weight_map`.", path=index)
    if not all(isinstance(shard, str) for shard in found.values()):
        raise InputError("`weight_map` must map names of tensors to names of files.", path=index)
    return found


def read_tensors(folder: Path, *, allow_pickle: bool = False) -> dict[str, Tensor]:
    """Every tensor of a checkpoint folder by name, on the CPU, as stored; all are finite.

    Raises:
        InputError: A file that cannot be read, a tensor that is in two shards or not in the one
            that the index names, NaN or infinity.
    """
    tensors: dict[str, Tensor] = {}
    shards: dict[str, str] = {}
    for path in weight_files(folder, allow_pickle=allow_pickle):
        for name, tensor in _read_file(path).items():
            if name in tensors:
                raise InputError(f"repeats the tensor {name!r} of another shard.", path=path)
            _check_numbers(name, tensor, path)
            tensors[name] = tensor
            shards[name] = path.name
    _check_index(folder, shards)
    return tensors


def _check_numbers(name: str, tensor: Tensor, path: Path) -> None:
    if tensor.dtype in _NO_WEIGHTS:
        raise InputError(f"the tensor {name!r} is of the type {tensor.dtype}.", path=path)
    if not tensor.is_floating_point():
        return
    # numbers of one byte have no test of their own
    plain = tensor.float() if tensor.element_size() < 2 else tensor
    if not bool(torch.isfinite(plain).all()):
        raise InputError(
            f"the tensor {name!r} holds NaN or infinity; the training that wrote it "
            "diverged, take an earlier checkpoint.",
            path=path,
        )


def _check_index(folder: Path, shards: Mapping[str, str]) -> None:
    """What an index that was used says of each tensor."""
    index = folder / f"{_STEMS[config_name(folder)]}.safetensors.index.json"
    if index.with_name(index.name.removesuffix(".index.json")).is_file() or not index.is_file():
        return
    for name, shard in _weight_map(index).items():
        if shards.get(name) != shard:
            raise InputError(
                f"names the tensor {name!r} in {shard!r}, which does not hold it.", path=index
            )


def _read_file(path: Path) -> dict[str, Tensor]:
    if path.suffix == ".bin":
        return _read_pickle(path)
    what = "cannot be read as safetensors; the file is truncated or damaged"
    return read_weights_file(path, what)[0]


def _read_pickle(path: Path) -> dict[str, Tensor]:
    with refusing("cannot be read as a file of weights", path=path):
        value = torch.load(path, map_location="cpu", weights_only=True)
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
