"""The files' formats as JSON Schema, for programs in any language, and a check of the parts used.

`certificate.json` and `plan.json` say in a standard form what the dataclasses of
`pacbayes.certificate` and `pacbayes.plan` say; `statements.json` says what a certificate of this
version must say in fixed words, or leave empty. The check knows the keywords that these files use
and refuses others, so that none is passed over in silence.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from importlib.resources import files
from typing import Any

NAMES = ("certificate", "plan")
"""Formats of files; `statements` comes on top of the first."""

Problems = Iterator[tuple[str, str]]
"""Dotted paths, and what must be."""


@lru_cache
def schema(name: str) -> dict[str, Any]:
    """The JSON Schema of that name: one of `NAMES`, or `statements`."""
    text = (files(__name__) / f"{name}.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def problems(value: Any, name: str, settled: set[str] | None = None) -> Problems:
    """What of a JSON value breaks the schema of that name.

    Args:
        value: The JSON value.
        name: One of `NAMES`, or `statements`.
        settled: Is given the paths of leaves for which no other value would do.

    >>> first = next(problems({"schema": "pacbayes.certificate/2"}, "certificate"))
    >>> first
    ('schema', "must be 'pacbayes.certificate/1'")
    """
    whole = schema(name)
    check = _Check(whole.get("$defs", {}), set() if settled is None else settled)
    return check.broken(value, whole, "")


def below(path: str, key: str | int) -> str:
    """The dotted path of a value's key or place."""
    if isinstance(key, int):
        return f"{path}[{key}]"
    return f"{path}.{key}" if path else key


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted path and value of everything that has nothing inside."""
    inside = value.items() if isinstance(value, dict) else ()
    for key, item in enumerate(value) if isinstance(value, list) else inside:
        yield from leaves(item, below(path, key))
    if not isinstance(value, (dict, list)) or not value:
        yield path, value


class _Check:
    """A walk through a value along the rules of a schema."""

    def __init__(self, defs: dict[str, Any], settled: set[str]) -> None:
        self.defs, self.settled = defs, settled

    def broken(self, value: Any, rules: dict[str, Any], path: str) -> Problems:
        """The rules that the value at a path breaks."""
        for keyword, rule in rules.items():
            if keyword in _RULES:
                if not _RULES[keyword](value, rule):
                    yield path, _WORDS[keyword].format(rule)
                elif keyword == "const":
                    self.settled |= {leaf for leaf, _ in leaves(value, path)}
            elif keyword in _PARTS:
                yield from _PARTS[keyword](self, value, rules, path)
            elif keyword not in _SILENT:
                raise NotImplementedError(f"the keyword {keyword!r} of JSON Schema")

    def reference(self, value: Any, rules: dict[str, Any], path: str) -> Problems:
        """`$ref`: the rules of a definition."""
        return self.broken(value, self.defs[rules["$ref"].rpartition("/")[2]], path)

    def all_of(self, value: Any, rules: dict[str, Any], path: str) -> Problems:
        """`allOf`: every branch."""
        for branch in rules["allOf"]:
            yield from self.broken(value, branch, path)

    def any_of(self, value: Any, rules: dict[str, Any], path: str) -> Problems:
        """`anyOf`: one of the branches, the first for messages."""
        branches = [list(self.broken(value, branch, path)) for branch in rules["anyOf"]]
        if all(branches):
            yield from branches[0]

    def condition(self, value: Any, rules: dict[str, Any], path: str) -> Problems:
        """`if`: what holds decides which branch must; it is settled if it holds."""
        fixed: set[str] = set()
        holds = not list(_Check(self.defs, fixed).broken(value, rules["if"], path))
        self.settled |= fixed if holds else set()
        yield from self.broken(value, rules.get("then" if holds else "else", {}), path)

    def required(self, value: Any, rules: dict[str, Any], path: str) -> Problems:
        """`required`: keys that must be there."""
        for key in rules["required"]:
            if isinstance(value, dict) and key not in value:
                yield below(path, key), "is missing"

    def members(self, value: Any, rules: dict[str, Any], path: str) -> Problems:
        """`properties` and `additionalProperties`: what is in an object."""
        known, others = rules.get("properties", {}), rules.get("additionalProperties", True)
        for key, item in value.items() if isinstance(value, dict) else ():
            rule = known.get(key, others)
            if rule is False:
                yield below(path, key), "is not a key of this file"
            elif rule is not True:
                yield from self.broken(item, rule, below(path, key))

    def others(self, value: Any, rules: dict[str, Any], path: str) -> Problems:
        """`additionalProperties`, if no `properties` have seen to it."""
        if "properties" not in rules:
            yield from self.members(value, rules, path)

    def items(self, value: Any, rules: dict[str, Any], path: str) -> Problems:
        """`items`: what is in an array."""
        for place, item in enumerate(value if isinstance(value, list) else ()):
            yield from self.broken(item, rules["items"], below(path, place))

    def contains(self, value: Any, rules: dict[str, Any], path: str) -> Problems:
        """`contains`: at least one item of an array is like this."""
        if isinstance(value, list):
            wanted = rules["contains"]
            if all(next(self.broken(item, wanted, path), None) for item in value):
                yield path, f"must have an item with {json.dumps(wanted)}"


_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "number": (int, float),
    "integer": (int,),
    "boolean": (bool,),
    "null": (type(None),),
}


def _is(value: Any, rule: str | list[str]) -> bool:
    names = [rule] if isinstance(rule, str) else rule
    if isinstance(value, bool):
        return "boolean" in names
    return any(isinstance(value, _TYPES[name]) for name in names)


def _same(value: Any, rule: Any) -> bool:
    return bool(value == rule) and isinstance(value, bool) == isinstance(rule, bool)


def _number(value: Any) -> bool:
    return _is(value, "number")


_RULES: dict[str, Callable[[Any, Any], bool]] = {
    "type": _is,
    "const": _same,
    "enum": lambda value, rule: any(_same(value, item) for item in rule),
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
    "type": "must be of type {}",
    "const": "must be {!r}",
    "enum": "must be one of {!r}",
    "minimum": "must be at least {}",
    "maximum": "must be at most {}",
    "exclusiveMinimum": "must be above {}",
    "exclusiveMaximum": "must be below {}",
    "minItems": "must have at least {} items",
    "maxItems": "must have at most {} items",
    "pattern": "must match {}",
}
_PARTS: dict[str, Callable[[_Check, Any, dict[str, Any], str], Problems]] = {
    "$ref": _Check.reference,
    "allOf": _Check.all_of,
    "anyOf": _Check.any_of,
    "if": _Check.condition,
    "required": _Check.required,
    "properties": _Check.members,
    "additionalProperties": _Check.others,
    "items": _Check.items,
    "contains": _Check.contains,
}
"""Keywords with rules inside."""

_SILENT = {"$schema", "$defs", "title", "description", "then", "else"}
