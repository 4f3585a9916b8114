"""Losses under posterior draws, kept on disk so that a run goes on from its last whole pass."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]


class DrawStore:
    """A folder of arrays, one for each stratum and pass, under a name made from all they depend on.

    Args:
        folder: The run's ``draws`` folder, or None to keep nothing.
        dependencies: Everything that the draws are a function of; another value, another folder.
    """

    def __init__(self, folder: Path | None, dependencies: Mapping[str, Any]) -> None:
        text = json.dumps(dependencies, sort_keys=True)
        self._folder = None
        if folder is not None:
            self._folder = folder / hashlib.sha256(text.encode()).hexdigest()[:16]
            self._folder.mkdir(parents=True, exist_ok=True)
            _write(self._folder / "key.json", text.encode())

    def get(self, stratum: int, draw: int, make: Callable[[], FloatArray]) -> FloatArray:
        """The stored losses of one pass, or those that `make` gives, which are then stored."""
        if self._folder is None:
            return make()
        path = self._folder / f"stratum{stratum}.pass{draw}.npy"
        if path.is_file():
            return np.asarray(np.load(path, allow_pickle=False), dtype=np.float64)
        losses = make()
        with _temporary(path).open("wb") as file:
            np.save(file, losses, allow_pickle=False)
        os.replace(_temporary(path), path)
        return losses


def _temporary(path: Path) -> Path:
    return path.with_name(path.name + ".part")


def _write(path: Path, content: bytes) -> None:
    _temporary(path).write_bytes(content)
    os.replace(_temporary(path), path)
