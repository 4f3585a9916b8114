"""JSON without the liberties of the `json` module: finite numbers, keys once, no crash."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import Any

DEEPEST = 100
"""Levels of lists and objects; programs that walk through a value need some stack for each."""


class JsonError(ValueError):
    """Text that is not strict JSON. The message is one line and does not name the file."""


class MalformedError(JsonError):
    """Text that is not JSON at all."""


_TOO_DEEP = f"malformed JSON: nested too deeply, over {DEEPEST} levels"


def parse(text: str, *, constants: bool = False) -> Any:
    """Return the value written in `text`.

    Args:
        text: A document.
        constants: Whether NaN, Infinity and numbers beyond floats are numbers.

    Raises:
        MalformedError: The text is not JSON, is nested too deeply, or has an integer too long to
            convert.
        JsonError: It has a key twice in one object, one of the constants NaN and Infinity, or a
            number too large for a float.

    >>> parse('{"a": [1, 2.5, null]}')
    {'a': [1, 2.5, None]}
    """
    try:
        value = json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=None if constants else _no_constant,
            parse_float=None if constants else _finite,
        )
    except JsonError:
        raise
    except json.JSONDecodeError as error:
        place = f"column {error.colno}" if error.lineno == 1 else f"line {error.lineno}"
        raise MalformedError(f"malformed JSON: {error.msg} at {place}") from error
    except RecursionError as error:
        raise MalformedError(_TOO_DEEP) from error
    except ValueError as error:  # an integer of more digits than Python converts
        raise MalformedError(f"malformed JSON: {str(error).partition(';')[0]}") from error
    # most texts are too short for that, which is told faster
    if text.count("[") + text.count("{") > DEEPEST and _is_deep(value):
        raise MalformedError(_TOO_DEEP)
    return value


def kind(value: object) -> str:
    """Return what a JSON value is, in words, for messages."""
    if value is None:
        return "null"
    names = {bool: "true or false", str: "a string", list: "a list", dict: "an object"}
    return names.get(type(value), "a number")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in pairs:
        if key in result:
            raise JsonError(f"duplicate key {key!r}; each key must occur once")
        result[key] = value
    return result


def _no_constant(name: str) -> None:
    raise JsonError(f"{name} is not JSON; leave the field out or write null")


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise JsonError("has a number that is too large for a float")
    return value


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(DEEPEST):
        level = [item for holder in level for item in _inside(holder)]
        if not level:
            return False
    return True


def _inside(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()
