"""Dataclasses as JSON files: an object for a dataclass, a key for a field, and nothing else.

A file is written whole or not at all; read, every key is required, no other is allowed, and each
value must have the type of its field. The checks of values that several files share are here too.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, ClassVar, Literal, Self, get_args, get_origin, get_type_hints

from pacbayes import strict_json
from pacbayes.errors import InputError
from pacbayes.files import read_file, replace_file

Interval = tuple[float, float]

_LARGEST = 2**64
"""Whole numbers up to here: seeds, and far above all counts."""


class Document:
    """What a dataclass that is a whole file inherits.

    Its first field is `schema`, whose default is the name of the schema.

    Attributes:
        NOUN: What the file is, for messages, such as "a certificate".
    """

    NOUN: ClassVar[str]
    schema: str

    @classmethod
    def require_schema(cls, found: object) -> None:
        """Refuse a schema that is another.

        Raises:
            InputError: It is.
        """
        wanted = _schema_of(cls)
        require(
            found == wanted,
            f"not {cls.NOUN}: `schema` must be {wanted!r}, got {found!r}; the usual mistake is a "
            "file of another kind or another version.",
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the document as JSON values, keys in the order of the schema."""
        values: dict[str, Any] = _to_json(self)
        return values

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Return the document that `to_dict` has written.

        Raises:
            InputError: The schema is another, a key is missing, unknown or of the wrong type, or
                the values contradict one another; the key is named.
        """
        is_object = isinstance(values, dict)
        cls.require_schema(values.get("schema") if is_object else strict_json.kind(values))
        document: Self = _Reader(cls.NOUN, _schema_of(cls)).read(cls, values, "")
        return document

    def to_json(self) -> str:
        """Return the text of the file; floats are written so that they come back."""
        text = json.dumps(self.to_dict(), indent=2, ensure_ascii=False, allow_nan=False)
        return text + "\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the document written in `text`.

        Raises:
            InputError: The text is not strict JSON, or as for `from_dict`.
        """
        try:
            values = strict_json.parse(text)
        except strict_json.JsonError as error:
            raise InputError(f"not {cls.NOUN}: {error}.") from error
        return cls.from_dict(values)

    def write(self, path: str | Path) -> None:
        """Write the file, all of it or nothing.

        Raises:
            InputError: The file cannot be written; what was there before is still there.
        """
        # a path of the data that is not valid UTF-8 holds lone surrogates: they become \udcXX,
        # which is JSON's own escape
        content = self.to_json().encode(errors="backslashreplace")
        try:
            replace_file(Path(path), content)
        except OSError as error:
            raise InputError(f"cannot be written: {error.strerror}.", path=path) from error

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Return the document in a file.

        Raises:
            InputError: The file cannot be read, or as for `from_json`; the file is named.
        """
        values = read_values(path, cls.NOUN)
        try:
            return cls.from_dict(values)
        except InputError as error:
            raise InputError(str(error), path=path) from error


def read_values(path: str | Path, noun: str) -> Any:
    """Return the JSON value in a file.

    Args:
        path: The file.
        noun: What it should be, for messages.

    Raises:
        InputError: The file cannot be read, or is not strict JSON in UTF-8; the file is named.
    """
    try:
        return strict_json.parse(read_file(path).decode("utf-8-sig"))
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}.", path=path) from error
    except UnicodeDecodeError as error:
        raise InputError(f"not {noun}: invalid UTF-8.", path=path) from error
    except strict_json.JsonError as error:
        raise InputError(f"not {noun}: {error}.", path=path) from error


def _schema_of(document: type[Document]) -> str:
    """The name of the schema: the default of the field."""
    return str(document.schema)


def _to_json(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        fields = dataclasses.fields(value)
        return {field.name: _to_json(getattr(value, field.name)) for field in fields}
    if isinstance(value, dict):  # sorted: equal documents are equal texts
        return {key: _to_json(value[key]) for key in sorted(value)}
    if isinstance(value, tuple | list):
        return [_to_json(item) for item in value]
    return value


_NAMES = {dict: "an object", list: "a list", str: "a string", bool: "true or false"}
_NAMES |= {int: "an integer", float: "a number", NoneType: "null"}


@dataclasses.dataclass(frozen=True)
class _Reader:
    """Makes the values of a file of one schema what the annotations ask."""

    noun: str
    schema: str

    def read(self, kind: Any, value: Any, where: str) -> Any:
        """Return `value`, found at the key `where`, as the annotation `kind` asks."""
        if kind is Any:
            return value
        if dataclasses.is_dataclass(kind):
            return self._dataclass(kind, value, where)
        origin, args = get_origin(kind), get_args(kind)
        if origin is UnionType:  # a type or None
            return None if value is None else self.read(args[0], value, where)
        if origin is Literal:
            require(value in args, f"`{where}` must be one of {list(args)}, got {value!r}.")
            return value
        if origin is tuple:
            return self._tuple(args, value, where)
        if origin is dict:
            items = self._typed(dict, value, where).items()
            return {key: self.read(args[1], item, f"{where}.{key}") for key, item in items}
        return self._typed(kind, value, where)

    def _dataclass(self, kind: Any, value: Any, where: str) -> Any:
        values, kinds = self._typed(dict, value, where), _kinds(kind)
        prefix = f"{where}." if where else ""
        for key in kinds:
            require(key in values, f"`{prefix}{key}` is missing.")
        for key in values:
            require(key in kinds, f"`{prefix}{key}` is not a key of {self.schema}.")
        fields = {key: self.read(kinds[key], values[key], prefix + key) for key in kinds}
        try:
            return kind(**fields)
        except InputError as error:
            raise InputError(f"`{where}`: {error}" if where else str(error)) from error

    def _tuple(self, args: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
        items = self._typed(list, value, where)
        kinds = (args[0],) * len(items) if args[-1] is ... else args
        require(
            len(items) == len(kinds), f"`{where}` must have {len(kinds)} items, got {len(items)}."
        )
        return tuple(
            self.read(kind, item, f"{where}[{i}]")
            for i, (kind, item) in enumerate(zip(kinds, items, strict=True))
        )

    def _typed(self, kind: type, value: Any, where: str) -> Any:
        if type(value) is int and abs(value) > _LARGEST:
            raise InputError(f"`{where}` must be at most 2**64 in size, got a larger number.")
        if kind is float and type(value) is int:
            return float(value)
        if type(value) is not kind:
            place = f"`{where}`" if where else self.noun
            raise InputError(f"{place} must be {_NAMES[kind]}, got {strict_json.kind(value)}.")
        return value


@lru_cache
def _kinds(kind: Any) -> dict[str, Any]:
    """The fields of a dataclass with their annotations."""
    hints = get_type_hints(kind).items()
    return {name: hint for name, hint in hints if get_origin(hint) is not ClassVar}


def require(condition: bool, message: str) -> None:
    """Refuse, with the message, unless the condition holds."""
    if not condition:
        raise InputError(message)


def require_probability(name: str, value: float) -> None:
    """Refuse what is not in (0, 1)."""
    require(0 < value < 1, f"`{name}` must lie in (0, 1), got {value}.")


def require_nonnegative(name: str, value: float) -> None:
    """Refuse negative, infinite and NaN."""
    require(0 <= value < math.inf, f"`{name}` must be finite and at least 0, got {value}.")


def require_interval(name: str, interval: Interval, inside: float | None = None) -> None:
    """Refuse an interval that is not within [0, 1], or does not contain the mean."""
    lower, upper = interval
    require(
        0 <= lower <= upper <= 1, f"`{name}` must satisfy 0 <= lower <= upper <= 1, got {interval}."
    )
    require(
        inside is None or lower <= inside <= upper,
        f"`{name}` must contain the mean {inside}, got {interval}.",
    )


def require_unique(name: str, values: Iterable[str]) -> None:
    """Refuse a name that comes twice."""
    seen: set[str] = set()
    for value in values:
        require(value not in seen, f"`{name}` must have unique names, got {value!r} twice.")
        seen.add(value)


def require_sha256(value: str) -> None:
    """Refuse what is no hash in lower-case hexadecimal."""
    require(
        len(value) == 64 and not set(value) - set("0123456789abcdef"),
        f"`sha256` must be 64 hexadecimal digits in lower case, got {value!r}.",
    )


def require_timestamp(value: str) -> None:
    """Refuse what is not ISO 8601 with a time zone."""
    try:
        aware = datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        aware = False
    require(aware, f"`created` must be ISO 8601 with a time zone, got {value!r}.")


def require_json(name: str, value: dict[str, Any]) -> None:
    """Refuse what would not come back from JSON: NaN, tuples, keys that are no strings."""
    try:
        same = json.loads(json.dumps(value, allow_nan=False)) == value
    except (TypeError, ValueError):
        same = False
    require(same, f"`{name}` must hold JSON values only (no NaN, lists for tuples), got {value}.")
