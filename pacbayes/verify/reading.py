"""The file of a certificate, read strictly."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pacbayes.schemas import below

_LARGEST = 1 << 30


class UnreadableError(ValueError):
    """A file is something else than it is given as. The message is one line."""

    def __init__(self, message: str) -> None:
        super().__init__("".join(c if c.isprintable() else ascii(c)[1:-1] for c in message))


def contents(path: Path, most: int = _LARGEST) -> bytes:
    """All bytes of a file.

    Raises:
        UnreadableError: It cannot be read, is no plain file, or is larger than `most` bytes.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode) or status.st_size > most:
            raise UnreadableError(f"{path}: is no file, or has more than {most} bytes.")
        return path.read_bytes()
    except OSError as error:
        raise UnreadableError(f"{path}: cannot be read: {error.strerror}.") from None


def strict(text: str | bytes) -> Any:
    """The value of a text in strict JSON.

    Raises:
        ValueError: It is something else, with a key twice, NaN or infinity, or nested too deeply.
    """
    try:
        return json.loads(
            text, object_pairs_hook=_unique, parse_constant=_refuse, parse_float=_finite
        )
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def read(path: str | Path) -> dict[str, Any]:
    """The JSON object in a file.

    Raises:
        UnreadableError: It cannot be read, is no strict JSON, or is something else by its schema.
    """
    try:
        value = strict(contents(Path(path)).decode("utf-8-sig"))
    except UnreadableError:
        raise
    except ValueError as error:
        raise UnreadableError(f"{path}: is no strict JSON: {error}.") from None
    kind = value.get("schema") if isinstance(value, dict) else None
    if not isinstance(value, dict) or kind == "pacbayes.plan/1":
        what = "a plan" if kind else "something else"
        raise UnreadableError(f"{path}: is no certificate but {what}.")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({key for key, _ in pairs}) < len(pairs):
        raise ValueError(f"one of the keys {[key for key, _ in pairs]} comes twice")
    return dict(pairs)


def _refuse(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    value = float(text)
    return value if abs(value) < float("inf") else _refuse(text)


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted path and value of everything that has nothing inside."""
    inside = value.items() if isinstance(value, dict) else ()
    for key, item in enumerate(value) if isinstance(value, list) else inside:
        yield from leaves(item, below(path, key))
    if not isinstance(value, (dict, list)) or not value:
        yield path, value
