"""Reading safetensors files, in which nothing can run."""

from __future__ import annotations

import struct
from pathlib import Path

from safetensors import safe_open
from torch import Tensor

from pacbayes import strict_json
from pacbayes.errors import refusing
from pacbayes.files import open_file

_LONGEST = 10**8
"""Bytes that the library allows a header to have."""


def read_weights_file(path: Path, what: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    """All tensors by name, on the CPU, and the notes beside them.

    Args:
        path: The file.
        what: What is wrong if it cannot be read, for the message.

    Raises:
        InputError: It cannot be read, or names a tensor twice.
    """
    with refusing(what, path=path):
        _check_names(path)
        with safe_open(path, framework="pt", device="cpu") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            notes = file.metadata() or {}
    return tensors, notes


def _check_names(path: Path) -> None:
    """Each comes once, which the library does not ask for."""
    with open_file(path) as file:
        (length,) = struct.unpack("<Q", file.read(8))
        strict_json.parse(file.read(min(length, _LONGEST)).decode())
