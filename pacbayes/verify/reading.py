"""The file of a certificate or a plan, read strictly."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

_DEEPEST = 100
"""Levels of lists and objects; each takes some stack where values are walked through."""


class UnreadableError(ValueError):
    """A file is something else than it is given as. The message is one line."""

    def __init__(self, message: str) -> None:
        super().__init__("".join(c if c.isprintable() else ascii(c)[1:-1] for c in message))


def read(path: str | Path) -> dict[str, Any]:
    """The JSON object in a file.

    Raises:
        UnreadableError: It cannot be read, or is no strict JSON or no object.
    """
    raw = content(Path(path))
    try:
        value = strict(raw.decode("utf-8-sig"))
    except ValueError as error:
        raise UnreadableError(f"{path}: is no strict JSON: {error}.") from None
    if not isinstance(value, dict):
        raise UnreadableError(f"{path}: is no certificate and no plan.")
    return value


def content(path: Path) -> bytes:
    """The bytes of a file.

    Raises:
        UnreadableError: It cannot be read, or is a pipe or a device, which might never end.
    """
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            raise UnreadableError(f"{path}: is a pipe or a device, where a file is needed.")
        return path.read_bytes()
    except OSError as error:
        raise UnreadableError(f"{path}: cannot be read: {error.strerror}.") from None


def strict(text: str | bytes) -> Any:
    """The value of a text in strict JSON.

    Raises:
        ValueError: It is something else, has a key twice, NaN or infinity, or is nested deeply.
    """
    try:
        value = json.loads(
            text, object_pairs_hook=_unique, parse_constant=_refuse, parse_float=_finite
        )
    except RecursionError:
        value = None
    if value is None or _is_deep(value):
        raise ValueError(f"it is null, or nested more than {_DEEPEST} levels deep")
    return value


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(_DEEPEST):
        level = [item for holder in level for item in _inside(holder)]
    return bool(level)


def _inside(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({key for key, _ in pairs}) < len(pairs):
        raise ValueError(f"one of the keys {[key for key, _ in pairs]} comes twice")
    return dict(pairs)


def _refuse(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    value = float(text)
    return value if abs(value) < float("inf") else _refuse(text)
