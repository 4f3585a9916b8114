"""Weights and losses as they lie in their files: safetensors and npy, and hashes of folders."""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import stat
import struct
import sys
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pacbayes.verify.reading import UnreadableError, content, strict

_SIZES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2}
_CONFIGS = {"adapter_config.json": "adapter_model", "config.json": "model"}
_DEFINING = (
    *("adapter_config.json", "config.json", "chat_template.jinja", "tokenizer.json"),
    *("tokenizer.model", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"),
    *("vocab.json", "merges.txt", "vocab.txt", "spiece.model"),
)
_LARGEST = 2.0**128
"""Weights are below it, as all of float32 are: sums of squares of such numbers are finite."""

_ROWS = re.compile(
    rb"\x93NUMPY(?:\x01\0..|[\x02\x03]\0....)"
    rb"\{'descr': '<f8', 'fortran_order': False, 'shape': \((\d{1,15}), (\d{1,15})\), \} *\n",
    re.DOTALL,
)
"""How numpy begins the file of a matrix of float64 in rows."""


@dataclass(frozen=True, kw_only=True)
class Weights:
    """One tensor in a safetensors file."""

    path: Path
    name: str
    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int

    @property
    def size(self) -> int:
        """Number of weights."""
        return math.prod(self.shape)

    def values(self) -> Sequence[float]:
        """All weights, exactly.

        Raises:
            UnreadableError: They are no floating-point numbers of a known kind, or not finite.
        """
        values = self._stored()
        if not all(-_LARGEST < value < _LARGEST for value in values):
            raise UnreadableError(
                f"{self.path}: the tensor {self.name!r} holds NaN, infinity or numbers near it."
            )
        return values

    def _stored(self) -> Sequence[float]:
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
    """Weights as a model of that type holds them.

    Raises:
        UnreadableError: The type cannot hold one.
    """
    if dtype == "float16":
        try:
            return struct.unpack(f"<{len(values)}e", struct.pack(f"<{len(values)}e", *values))
        except OverflowError:
            raise UnreadableError("a weight is beyond the range of float16.") from None
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
    for path in weight_files(place) if os.path.isdir(place) else [place]:
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
    except (ValueError, KeyError, TypeError, RecursionError):
        raise UnreadableError(f"{path}: is no posterior; it names no family.") from None


def _header(path: Path) -> dict[str, Weights]:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise ValueError("it is no file")
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > min(status.st_size - 8, 10**8):
                raise ValueError("its header is longer than the file")
            entries = strict(file.read(length))
        entries.pop("__metadata__", None)
        found = {name: _entry(path, name, entry, 8 + length) for name, entry in entries.items()}
        _check_places(list(found.values()), 8 + length, status.st_size)
    except OSError as error:
        raise UnreadableError(f"{path}: cannot be read: {error.strerror}.") from None
    except (ValueError, KeyError, TypeError, AttributeError, struct.error) as error:
        raise UnreadableError(f"{path}: is no safetensors file ({error}).") from None
    return found


def _entry(path: Path, name: str, entry: dict[str, Any], start: int) -> Weights:
    first, last = entry["data_offsets"]
    whole = (first, last, *entry["shape"])
    if not all(type(number) is int and 0 <= number < 1 << 63 for number in whole):
        raise ValueError("a shape or an offset is no whole number")
    tensor = Weights(
        path=path,
        name=name,
        dtype=str(entry["dtype"]),
        shape=tuple(entry["shape"]),
        start=start + first,
        end=start + last,
    )
    if tensor.dtype in _SIZES and last - first != tensor.size * _SIZES[tensor.dtype]:
        raise ValueError("a tensor's offsets are not those of its shape")
    return tensor


def _check_places(tensors: list[Weights], start: int, end: int) -> None:
    """Tensors lie one after the other and fill the file."""
    for tensor in sorted(tensors, key=lambda tensor: (tensor.start, tensor.end)):
        if tensor.start != start or tensor.end < start:
            raise ValueError("tensors overlap, or leave gaps")
        start = tensor.end
    if start != end:
        raise ValueError("a tensor's offsets are outside the file, or leave a part of it out")


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files that hold a folder's weights.

    Raises:
        UnreadableError: There is none.
    """
    for config, stem in _CONFIGS.items():
        single, index = folder / f"{stem}.safetensors", folder / f"{stem}.safetensors.index.json"
        if not os.path.isfile(folder / config):
            continue
        if single.is_file():
            return [single]
        if index.is_file():
            return [folder / name for name in _shards(index)]
    raise UnreadableError(f"{folder}: holds no safetensors weights beside a config.")


def _shards(index: Path) -> list[str]:
    try:
        names = set(strict(content(index))["weight_map"].values())
        if not all(_is_shard(name) for name in names):
            raise ValueError("it names a shard outside the folder")
        return sorted(names)
    except UnreadableError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UnreadableError(f"{index}: is no index of shards ({error}).") from None


def _is_shard(name: str) -> bool:
    return name == Path(name).name and name.endswith(".safetensors") and name.isprintable()


def identity(place: Path) -> str:
    """SHA-256 of a file, or of what `sha256sum` prints of a folder's weights and definitions."""
    if os.path.isfile(place):
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
    """The rows of a matrix of float64 in an npy file: at least one number, all finite.

    Raises:
        UnreadableError: It is something else.
    """
    raw = content(path)
    begins = _ROWS.match(raw)
    if begins is None:
        raise UnreadableError(f"{path}: is no npy file of losses (not in rows of float64).")
    rows, columns = map(int, begins.groups())
    if not 8 * rows * columns == len(raw) - begins.end() > 0:
        raise UnreadableError(f"{path}: is no npy file of losses (its size is not its shape's).")
    values = _array("d", raw[begins.end() :])
    if not all(map(math.isfinite, values)):
        raise UnreadableError(f"{path}: holds NaN or infinity.")
    return [values[i * columns : (i + 1) * columns] for i in range(rows)]


def read_row(path: Path, row: int) -> array[float]:
    """One of the rows.

    Raises:
        UnreadableError: See `read_rows`; or there are fewer.
    """
    rows = read_rows(path)
    if row >= len(rows):
        raise UnreadableError(f"{path}: has {len(rows)} rows, not {row + 1}.")
    return rows[row]


def read_losses(path: Path, row: int) -> array[float]:
    """A row of losses.

    Raises:
        UnreadableError: See `read_row`; or one is outside [0, 1].
    """
    losses = read_row(path, row)
    if min(losses) < 0 or max(losses) > 1:
        raise UnreadableError(f"{path}: holds a loss outside [0, 1].")
    return losses
