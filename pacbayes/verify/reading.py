"""The file of a certificate or a plan, read strictly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


class UnreadableError(ValueError):
    """The file is no certificate and no plan at all."""


def read(path: str | Path) -> dict[str, Any]:
    """The JSON object in a file.

    Raises:
        UnreadableError: It cannot be read, or is no strict JSON or no object.
    """
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
        value = json.loads(
            text, object_pairs_hook=_unique, parse_constant=_refuse, parse_float=_finite
        )
    except OSError as error:
        raise UnreadableError(f"{path}: cannot be read: {error.strerror}.") from None
    except (ValueError, RecursionError) as error:
        raise UnreadableError(f"{path}: is no strict JSON: {error}.") from None
    if not isinstance(value, dict):
        raise UnreadableError(f"{path}: is no certificate and no plan.")
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
