"""Difficulty from a field that the records already have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pacbayes.data.jsonl import parse_object, read_raw
from pacbayes.difficulty.scores import GIVEN, Item, Score, Scorer
from pacbayes.difficulty.values import (
    SCALES,
    Scale,
    Value,
    ValueReadError,
    guess_scale,
    is_missing,
    ordered,
    read_value,
)
from pacbayes.errors import InputError

Orientation = Literal["harder", "easier"]
ORIENTATIONS: tuple[Orientation, ...] = ("harder", "easier")


@dataclass(frozen=True, kw_only=True)
class FieldScorer(Scorer):
    """Reads a field and turns it so that larger is harder.

    A number x of a field that is larger for easier records becomes -x, a rate 1 - x.

    Attributes:
        field: The field's name.
        orientation: What larger values, or later labels, mean: "harder" or "easier".
        scale: How values are read, see `values`.
        labels: Labels in their order, from the least; those of `values.LABELS` by default.
        missing_marks: Values that stand for none, beside null and the usual marks.
        rate_of: Number of samples behind each rate.
    """

    field: str
    orientation: Orientation
    scale: Scale
    labels: tuple[str, ...] | None = None
    missing_marks: tuple[str, ...] = ()
    rate_of: int | None = None

    def __post_init__(self) -> None:
        if self.orientation not in ORIENTATIONS:
            raise InputError(f"orientation must be harder or easier, got {self.orientation!r}.")
        if self.scale not in SCALES:
            raise InputError(f"the scale must be one of {', '.join(SCALES)}, got {self.scale!r}.")
        if self.scale == "labels" and self.labels is None and self.orientation == "easier":
            raise InputError(
                f"`{self.field}` has labels such as EASY and HARD, which say themselves what is "
                "harder; give orientation harder, or an order of your own."
            )
        if self.rate_of is not None and self.rate_of < 1:
            raise InputError(f"a rate must be of at least 1 sample, got {self.rate_of}.")

    @property
    def settings(self) -> Mapping[str, Any]:
        """See `Scorer`."""
        return {
            "by": "field",
            "field": self.field,
            "orientation": self.orientation,
            "scale": self.scale,
            "labels": self.labels and list(self.labels),
            "missing_marks": list(self.missing_marks),
            "rate_of": self.rate_of,
        }

    def score(self, items: Sequence[Item]) -> list[Score]:
        """See `Scorer`.

        Raises:
            InputError: A value, named by its line, is not on the scale.
        """
        return [self._one(item) for item in items]

    @cached_property
    def _places(self) -> Mapping[str, int] | None:
        return None if self.labels is None else ordered(self.labels)

    def _one(self, item: Item) -> Score:
        if self.orientation == "easier" and self.field + GIVEN in item.fields:
            raise item.error(
                f"`{self.field}{GIVEN}` shows that this file was scored already: `{self.field}` is "
                f"larger for harder records now. Score the original file, or `{self.field}{GIVEN}`."
            )
        raw = item.fields.get(self.field)
        if is_missing(raw, self.missing_marks):
            return Score(missing=self._reason(item, raw))
        try:
            value = read_value(raw, self.scale, labels=self._places, rate_of=self.rate_of)
        except ValueReadError as error:
            raise item.error(f"`{self.field}`: {error}.") from None
        return self._turned(value)

    def _turned(self, value: Value) -> Score:
        if self.orientation == "harder":
            return Score(difficulty=value.number)
        if self.scale != "rate":
            return Score(difficulty=0.0 - value.number)
        if value.counts is None:
            return Score(difficulty=1 - value.number)
        k, m = value.counts
        return Score(difficulty=(m - k) / m, passed=(k, m))

    def _reason(self, item: Item, raw: object) -> str:
        if self.field not in item.fields:
            return f"no `{self.field}`"
        return f"`{self.field}` is {'null' if raw is None else repr(raw)}"


def scale_of(path: str | Path, field: str, missing_marks: Sequence[str] = ()) -> Scale:
    """Return the scale that the first value of a field in a file speaks for.

    Raises:
        InputError: That value is on no scale, or no record has one.
    """
    first: list[str] | None = None
    for line, raw in read_raw(path):
        fields = parse_object(raw, path, line)
        if fields is None:
            continue
        first = sorted(fields) if first is None else first
        value = fields.get(field)
        if is_missing(value, missing_marks):
            continue
        try:
            return guess_scale(value)
        except ValueReadError as error:
            raise InputError(f"`{field}`: {error}.", path=path, line=line) from None
    if first is None:
        raise InputError("no records; the file is empty or has only blank lines.", path=path)
    raise InputError(
        f"no record has a value in `{field}`; the first one has the fields {first}.", path=path
    )
