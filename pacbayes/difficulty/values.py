"""Difficulties as data sets write them: numbers, rates, levels, labels, and marks for none.

A *scale* says how a field's values are read:

=======  =======================================================================
number   a finite number, also as a string
rate     a share in [0, 1]: a number, "k/m" (k of m) or a percentage
level    a word and a number: "Level 3", or the number alone
labels   words in an order: EASY, MEDIUM, ... VERY_HARD, or those given
=======  =======================================================================
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from pacbayes.data.records import LARGEST_DIFFICULTY
from pacbayes.errors import InputError
from pacbayes.strict_json import kind

Scale = Literal["number", "rate", "level", "labels"]
SCALES: tuple[Scale, ...] = ("number", "rate", "level", "labels")

LABELS = ("very easy", "easy", "medium", "medium hard", "hard", "very hard")
"""The labels that are known without being given, from easy to hard, at 1, 2, ..."""

MISSING_MARKS = frozenset(
    {"", "?", "-", "level ?", "n/a", "na", "nan", "none", "null", "unknown", "unknown difficulty"}
)
"""Strings that stand for no value, in any case."""

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_SHARE = re.compile(r"(\d+)\s*/\s*(\d+)")
_LEVEL = re.compile(r"[A-Za-z]+[\s_:-]*(\d+(?:\.\d+)?)")
_ROUNDED = 5e-4
"""How far a rate may be from k/m, and at most 1/20 of 1/m: data sets round rates."""


class ValueReadError(ValueError):
    """What is wrong with a value, before its file and line are known."""


@dataclass(frozen=True, kw_only=True)
class Value:
    """A value that was read.

    Attributes:
        number: The number itself; a rate's share, a level's number, a label's place from 1 on.
        counts: k and m of a rate, where they are known.
    """

    number: float
    counts: tuple[int, int] | None = None


def ordered(labels: Collection[str]) -> Mapping[str, int]:
    """Return the place of each label, from 1 on, by its plain name.

    Raises:
        InputError: There are fewer than two, or two are the same.

    >>> dict(ordered(["EASY", "VERY_HARD"]))
    {'easy': 1, 'very hard': 2}
    """
    places = {plain(label): place for place, label in enumerate(labels, start=1)}
    if len(places) < 2 or len(places) < len(labels) or "" in places:
        raise InputError(
            f"labels must be at least two different words, from first to last, got {list(labels)}."
        )
    return MappingProxyType(places)


def plain(label: str) -> str:
    """Return a label in lower case with single spaces between its words."""
    return " ".join(re.split(r"[\s_-]+", label.strip().lower())).strip()


def is_missing(value: object, marks: Collection[str] = ()) -> bool:
    """Whether a value stands for none: null, a usual mark such as "n/a", or one of `marks`.

    Args:
        value: A JSON value.
        marks: Further marks, strings and numbers as they are written.

    >>> is_missing("N/A"), is_missing(0), is_missing(0, ["0"])
    (True, False, True)
    """
    if value is None:
        return True
    if isinstance(value, str) and (
        value.strip().lower() in MISSING_MARKS or plain(value) in MISSING_MARKS
    ):
        return True
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return False
    return any(str(value).strip() == mark or _same_number(value, mark) for mark in marks)


def _same_number(value: str | int | float, mark: str) -> bool:
    text = str(value).strip()
    return bool(_NUMBER.fullmatch(text) and _NUMBER.fullmatch(mark) and float(text) == float(mark))


def guess_scale(value: object) -> Scale:
    """Return the scale that a value speaks for.

    Raises:
        ValueReadError: It speaks for none.

    >>> [guess_scale(value) for value in ("Level 3", "5/8", "MEDIUM_HARD", "4.5", 7)]
    ['level', 'rate', 'labels', 'number', 'number']
    """
    if not isinstance(value, str):
        _number(value)
        return "number"
    text = value.strip()
    if _NUMBER.fullmatch(text):
        return "number"
    if _SHARE.fullmatch(text) or (text.endswith("%") and _NUMBER.fullmatch(text[:-1].strip())):
        return "rate"
    if plain(text) in LABELS:
        return "labels"
    if _LEVEL.fullmatch(text):
        return "level"
    raise ValueReadError(
        f"{_shown(value)} is no number, rate, level or known label; for labels of your own give "
        "their order"
    )


def read_value(
    value: object,
    scale: Scale,
    *,
    labels: Mapping[str, int] | None = None,
    rate_of: int | None = None,
) -> Value:
    """Return what a value that is not missing says.

    Args:
        value: A JSON value.
        scale: How to read it.
        labels: Places of the labels, see `ordered`; those of `LABELS` by default.
        rate_of: Number of samples behind every rate; k is then known too, unless the rate is no
            multiple of 1/m.

    Raises:
        ValueReadError: It is not on that scale.

    >>> read_value("5/8", "rate")
    Value(number=0.625, counts=(5, 8))
    >>> read_value("Level 3", "level").number
    3.0
    """
    if scale == "number":
        return Value(number=_number(value))
    if scale == "rate":
        return _rate(value, rate_of)
    if scale == "level":
        return Value(number=_level(value))
    if not isinstance(value, str):
        raise ValueReadError(f"must be a label, got {_shown(value)}")
    places = ordered(LABELS) if labels is None else labels
    if plain(value) not in places:
        raise ValueReadError(f"{_shown(value)} is none of the labels {', '.join(places)}")
    return Value(number=float(places[plain(value)]))


def _number(value: object) -> float:
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        number = float(value)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        number = _float(value)
    else:
        raise ValueReadError(f"must be a number, got {_shown(value)}")
    if not abs(number) <= LARGEST_DIFFICULTY:
        raise ValueReadError(f"must be finite and at most {LARGEST_DIFFICULTY:g} in size")
    return number


def _float(value: int | float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _rate(value: object, rate_of: int | None) -> Value:
    text = value.strip() if isinstance(value, str) else ""
    share = _SHARE.fullmatch(text)
    if share:
        return _counted(share[1], share[2])
    number = _number(text[:-1].strip()) / 100 if text.endswith("%") else _number(value)
    if not 0 <= number <= 1:
        raise ValueReadError(
            f"a rate must lie in [0, 1], got {_shown(value)}; write percentages with % or use the "
            "scale number"
        )
    if rate_of is not None:
        k = round(number * rate_of)
        if abs(number - k / rate_of) <= min(_ROUNDED, 0.05 / rate_of):
            return Value(number=k / rate_of, counts=(k, rate_of))
    return Value(number=number)


def _counted(k_text: str, m_text: str) -> Value:
    if max(len(k_text), len(m_text)) > 9:
        raise ValueReadError("a rate k/m must have at most 9 digits in k and m")
    k, m = int(k_text), int(m_text)
    if not 0 <= k <= m or m == 0:
        raise ValueReadError(f"a rate k/m must have 0 <= k <= m and m > 0, got {k}/{m}")
    return Value(number=k / m, counts=(k, m))


def _level(value: object) -> float:
    found = _LEVEL.fullmatch(value.strip()) if isinstance(value, str) else None
    try:
        return _number(found[1] if found else value)
    except ValueReadError:
        raise ValueReadError(f"must be a level such as 'Level 3', got {_shown(value)}") from None


def _shown(value: object) -> str:
    text = repr(value) if isinstance(value, str | int | float) else kind(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
