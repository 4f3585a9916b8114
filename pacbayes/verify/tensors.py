"""Weights and losses as they lie in their files: safetensors and npy, and hashes of folders."""

from __future__ import annotations

import ast
import hashlib
import json
import math
import struct
import sys
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pacbayes.verify.reading import UnreadableError

_SIZES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2}
_CONFIGS = {"adapter_config.json": "adapter_model", "config.json": "model"}
_DEFINING = (
    *("adapter_config.json", "config.json", "chat_template.jinja", "tokenizer.json"),
    *("tokenizer.model", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"),
    *("vocab.json", "merges.txt", "vocab.txt", "spiece.model"),
)


@dataclass(frozen=True, kw_only=True)
class Weights:
    """One tensor in a safetensors file."""

    path: Path
    dtype: str
    shape: tuple[int, ...]
    start: int

    @property
    def size(self) -> int:
        """Number of weights."""
        return math.prod(self.shape)

    def values(self) -> Sequence[float]:
        """All weights, exactly.

        Raises:
            UnreadableError: They are no floating-point numbers of a known kind.
        """
        if self.dtype not in _SIZES:
            raise UnreadableError(f"{self.path}: holds numbers of the kind {self.dtype!r}.")
        with self.path.open("rb") as file:
            file.seek(self.start)
            raw = file.read(self.size * _SIZES[self.dtype])
        if self.dtype == "F16":
            return struct.unpack(f"<{self.size}e", raw)
        if self.dtype == "BF16":  # the upper half of a float32
            halves = _array("H", raw)
            raw = array("I", (half << 16 for half in halves)).tobytes()
            return array("f", raw)
        return _array("d" if self.dtype == "F64" else "f", raw)


def _array(code: str, raw: bytes) -> array[Any]:
    """Little-endian numbers."""
    found = array(code, raw)
    if sys.byteorder == "big":
        found.byteswap()
    return found


def rounded(values: Sequence[float], dtype: str) -> Sequence[float]:
    """Weights as a model of that type holds them."""
    if dtype == "float16":
        return struct.unpack(f"<{len(values)}e", struct.pack(f"<{len(values)}e", *values))
    if dtype == "bfloat16":
        bits = array("I", array("f", values).tobytes())
        # to nearest, ties to even
        upper = array("I", (((b + 0x7FFF + (b >> 16 & 1)) >> 16) << 16 for b in bits))
        return array("f", upper.tobytes())
    return array("f" if dtype == "float32" else "d", values)


def read_weights(place: Path) -> dict[str, Weights]:
    """The tensors of a safetensors file or of a checkpoint's folder.

    Raises:
        UnreadableError: There is none, or its header contradicts itself.
    """
    found: dict[str, Weights] = {}
    for path in weight_files(place) if place.is_dir() else [place]:
        found |= _header(path)
    return found


def notes_in(path: Path) -> dict[str, Any]:
    """What a posterior's file says of itself: its `family`, the hash of its `checkpoint`.

    Raises:
        UnreadableError: It names no family.
    """
    _header(path)
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        notes = json.loads(file.read(length)).get("__metadata__", {})
    try:
        said: dict[str, Any] = json.loads(notes["pacbayes"])
        return said | {"family": str(said["family"])}
    except (ValueError, KeyError, TypeError):
        raise UnreadableError(f"{path}: is no posterior; it names no family.") from None


def _header(path: Path) -> dict[str, Weights]:
    try:
        whole = path.stat().st_size
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > min(whole - 8, 10**8):
                raise ValueError("its header is longer than the file")
            entries = json.loads(file.read(length))
        entries.pop("__metadata__", None)
        return {name: _entry(path, entry, 8 + length, whole) for name, entry in entries.items()}
    except OSError as error:
        raise UnreadableError(f"{path}: cannot be read: {error.strerror}.") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, struct.error) as error:
        raise UnreadableError(f"{path}: is no safetensors file ({error}).") from None


def _entry(path: Path, entry: dict[str, Any], start: int, whole: int) -> Weights:
    first, last = entry["data_offsets"]
    shape = tuple(int(length) for length in entry["shape"])
    tensor = Weights(path=path, dtype=entry["dtype"], shape=shape, start=start + first)
    if tensor.dtype in _SIZES and last - first != tensor.size * _SIZES[tensor.dtype]:
        raise ValueError("a tensor's offsets are not those of its shape")
    if not 0 <= first <= last <= whole - start:
        raise ValueError("a tensor's offsets are outside the file")
    return tensor


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files that hold a folder's weights.

    Raises:
        UnreadableError: There is none.
    """
    for config, stem in _CONFIGS.items():
        single, index = folder / f"{stem}.safetensors", folder / f"{stem}.safetensors.index.json"
        if not (folder / config).is_file():
            continue
        if single.is_file():
            return [single]
        if index.is_file():
            names = set(json.loads(index.read_text())["weight_map"].values())
            return [folder / Path(name).name for name in sorted(names)]
    raise UnreadableError(f"{folder}: holds no safetensors weights beside a config.")


def identity(place: Path) -> str:
    """SHA-256 of a file, or of what `sha256sum` prints of a folder's weights and definitions."""
    if place.is_file():
        return digest(place)
    files = weight_files(place) + [place / n for n in _DEFINING if (place / n).is_file()]
    lines = "".join(f"{digest(path)}  {path.name}\n" for path in sorted(files))
    return hashlib.sha256(lines.encode()).hexdigest()


def digest(path: Path) -> str:
    """SHA-256 of a file.

    Raises:
        UnreadableError: It cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UnreadableError(f"{path}: cannot be read: {error.strerror}.") from None


def read_rows(path: Path) -> list[array[float]]:
    """The rows of a matrix of float64 in an npy file.

    Raises:
        UnreadableError: It is something else.
    """
    try:
        raw = path.read_bytes()
        if raw[:6] != b"\x93NUMPY":
            raise ValueError("another kind of file")
        wide = raw[6] > 1
        (length,) = struct.unpack("<I" if wide else "<H", raw[8 : 12 if wide else 10])
        start = (12 if wide else 10) + length
        header = ast.literal_eval(raw[start - length : start].decode("latin-1"))
        rows, columns = header["shape"]
        if header["descr"] != "<f8" or header["fortran_order"]:
            raise ValueError("not in rows of float64")
        values = _array("d", raw[start:])
        if len(values) != rows * columns:
            raise ValueError("its size is not that of its shape")
    except OSError as error:
        raise UnreadableError(f"{path}: cannot be read: {error.strerror}.") from None
    except (ValueError, KeyError, TypeError, SyntaxError, struct.error, IndexError) as error:
        raise UnreadableError(f"{path}: is no npy file of losses ({error}).") from None
    return [values[i * columns : (i + 1) * columns] for i in range(rows)]
