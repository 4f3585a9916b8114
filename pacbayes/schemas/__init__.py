"""The files' formats as JSON Schema, for programs in any language, and a check of the parts used.

`certificate.json` and `plan.json` say in a standard form what the dataclasses of
`pacbayes.certificate` and `pacbayes.plan` say. The check knows the keywords that the two files
use and refuses others, so that none is passed over in silence.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import lru_cache
from importlib.resources import files
from typing import Any

NAMES = ("certificate", "plan")

_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "number": (int, float),
    "integer": (int,),
    "boolean": (bool,),
    "null": (type(None),),
}
_SILENT = {"$schema", "$defs", "title", "description"}


@lru_cache
def schema(name: str) -> dict[str, Any]:
    """The JSON Schema of a kind of file, one of `NAMES`."""
    text = (files(__name__) / f"{name}.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def problems(value: Any, name: str) -> Iterator[tuple[str, str]]:
    """What of a JSON value breaks the schema of a kind of file: dotted paths, and what must be.

    >>> first = next(problems({"schema": "pacbayes.certificate/2"}, "certificate"))
    >>> first
    ('schema', "must be 'pacbayes.certificate/1'")
    """
    whole = schema(name)
    yield from _broken(value, whole, "", whole["$defs"])


def below(path: str, key: str | int) -> str:
    """The dotted path of a value's key or place."""
    if isinstance(key, int):
        return f"{path}[{key}]"
    return f"{path}.{key}" if path else key


def _broken(
    value: Any, rules: dict[str, Any], path: str, defs: dict[str, Any]
) -> Iterator[tuple[str, str]]:
    for keyword, rule in rules.items():
        if keyword == "$ref":
            yield from _broken(value, defs[rule.rpartition("/")[2]], path, defs)
        elif keyword == "anyOf":
            branches = [list(_broken(value, branch, path, defs)) for branch in rule]
            if all(branches):
                yield from branches[0]
        elif keyword == "type":
            names = rule if isinstance(rule, list) else [rule]
            if not any(_is(value, name) for name in names):
                yield path, f"must be {' or '.join(names)}"
        elif keyword in _RULES:
            if not _RULES[keyword](value, rule):
                yield path, _WORDS.get(keyword, "must satisfy {}: {!r}").format(keyword, rule)
        elif keyword in _INSIDE:
            yield from _INSIDE[keyword](value, rules, path, defs)
        elif keyword not in _SILENT:
            raise NotImplementedError(f"the keyword {keyword!r} of JSON Schema")


def _is(value: Any, name: str) -> bool:
    return isinstance(value, _TYPES[name]) and (name == "boolean" or not isinstance(value, bool))


def _number(value: Any) -> bool:
    return _is(value, "number")


_RULES: dict[str, Any] = {
    "const": lambda value, rule: value == rule and type(value) is type(rule),
    "enum": lambda value, rule: value in rule,
    "minimum": lambda value, rule: not _number(value) or value >= rule,
    "maximum": lambda value, rule: not _number(value) or value <= rule,
    "exclusiveMinimum": lambda value, rule: not _number(value) or value > rule,
    "exclusiveMaximum": lambda value, rule: not _number(value) or value < rule,
    "minItems": lambda value, rule: not isinstance(value, list) or len(value) >= rule,
    "maxItems": lambda value, rule: not isinstance(value, list) or len(value) <= rule,
    "pattern": lambda value, rule: not isinstance(value, str) or bool(re.search(rule, value)),
}
"""Keywords that look at the value alone."""

_WORDS = {
    "const": "must be {1!r}",
    "enum": "must be one of {1!r}",
    "minimum": "must be at least {1}",
    "maximum": "must be at most {1}",
    "exclusiveMinimum": "must be above {1}",
    "exclusiveMaximum": "must be below {1}",
    "minItems": "must have at least {1} items",
    "maxItems": "must have at most {1} items",
    "pattern": "must match {1}",
}


def _required(
    value: Any, rules: dict[str, Any], path: str, defs: dict[str, Any]
) -> Iterator[tuple[str, str]]:
    for key in rules["required"]:
        if isinstance(value, dict) and key not in value:
            yield below(path, key), "is missing"


def _members(
    value: Any, rules: dict[str, Any], path: str, defs: dict[str, Any]
) -> Iterator[tuple[str, str]]:
    if not isinstance(value, dict):
        return
    known, others = rules.get("properties", {}), rules.get("additionalProperties", True)
    for key, item in value.items():
        rule = known.get(key, others)
        if rule is False:
            yield below(path, key), "is not a key of this file"
        elif rule is not True:
            yield from _broken(item, rule, below(path, key), defs)


def _items(
    value: Any, rules: dict[str, Any], path: str, defs: dict[str, Any]
) -> Iterator[tuple[str, str]]:
    for place, item in enumerate(value if isinstance(value, list) else ()):
        yield from _broken(item, rules["items"], below(path, place), defs)


def _known(
    value: Any, rules: dict[str, Any], path: str, defs: dict[str, Any]
) -> Iterator[tuple[str, str]]:
    if "properties" not in rules:
        yield from _members(value, rules, path, defs)


_INSIDE: dict[str, Any] = {
    "required": _required,
    "properties": _members,
    "additionalProperties": _known,
    "items": _items,
}
"""Keywords that look into the value."""
