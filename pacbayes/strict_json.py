"""JSON without the liberties of the `json` module: no NaN, no duplicate keys, no crash."""

from __future__ import annotations

import json
from typing import Any


class JsonError(ValueError):
    """Text that is not strict JSON. The message is one line and does not name the file."""


class MalformedError(JsonError):
    """Text that is not JSON at all."""


def parse(text: str, *, constants: bool = False) -> Any:
    """Return the value written in `text`.

    Args:
        text: A document.
        constants: Whether the constants NaN and Infinity are numbers.

    Raises:
        MalformedError: The text is not JSON, is nested too deeply, or has an integer too long to
            convert.
        JsonError: It has a key twice in one object, or one of the constants NaN and Infinity.

    >>> parse('{"a": [1, 2.5, null]}')
    {'a': [1, 2.5, None]}
    """
    try:
        constant = None if constants else _no_constant
        return json.loads(text, object_pairs_hook=_object, parse_constant=constant)
    except JsonError:
        raise
    except json.JSONDecodeError as error:
        place = f"column {error.colno}" if error.lineno == 1 else f"line {error.lineno}"
        raise MalformedError(f"malformed JSON: {error.msg} at {place}") from error
    except RecursionError as error:
        raise MalformedError("malformed JSON: nested too deeply") from error
    except ValueError as error:  # an integer of more digits than Python converts
        raise MalformedError(f"malformed JSON: {str(error).partition(';')[0]}") from error


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
