"""What is attacked: a reader, valid contents to begin with, and a way to spoil them."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.fuzzing.mutation import spoil
from pacbayes.errors import InputError
from pacbayes.verify import UnreadableError

DECLARED: tuple[type[Exception], ...] = (InputError, UnreadableError)
"""How the package refuses input; anything else is an error of its own."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """One reader.

    Attributes:
        name: Name on the command line.
        seeds: Valid contents, and some made nasty by hand; gets an empty folder to work in.
        spoil: Makes one content of another, by this source of chance alone.
        read: Puts a content where it belongs in the folder and reads it as the package does.
    """

    name: str
    seeds: Callable[[Path], list[bytes]]
    spoil: Callable[[random.Random, bytes], bytes] = spoil
    read: Callable[[Path, bytes], None]
