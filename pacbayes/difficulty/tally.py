"""What is counted while records are scored, and the report that becomes of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

from pacbayes.difficulty.scores import Score
from pacbayes.errors import InputError

_LARGEST = 1e308
LINES_LISTED = 1000
"""Lines without a difficulty that a report lists; the others are only counted."""


@dataclass(kw_only=True)
class Tally:
    """Running counts over the scores of a file.

    Attributes:
        n_records: Records read.
        n_scored: Those with a difficulty.
        total, low, high: Sum, least and largest difficulty.
        n_rates: Records with a pass rate k/m.
        n_none_passed, n_all_passed: Those with k = 0 and with k = m, which m cannot tell apart.
        n_truncated: Samples cut off before their end.
        missing: Records without a difficulty, by reason.
        lines: Where the first of these are.
    """

    n_records: int = 0
    n_scored: int = 0
    total: float = 0.0
    low: float | None = None
    high: float | None = None
    n_rates: int = 0
    n_none_passed: int = 0
    n_all_passed: int = 0
    n_truncated: int = 0
    missing: Counter[str] = field(default_factory=Counter)
    lines: list[int] = field(default_factory=list)

    @classmethod
    def from_json(cls, value: Any) -> Tally:
        """Return the tally that `to_json` wrote.

        Raises:
            ValueError: It did not write this.
        """
        empty = cls().to_json()
        if not isinstance(value, dict) or value.keys() != empty.keys():
            raise ValueError("a tally has other keys.")
        counts = [*value["lines"], *value["missing"].values()]
        counts += [value[name] for name in empty if name.startswith("n_")]
        amounts = [value[name] for name in ("total", "low", "high") if value[name] is not None]
        if not all(type(count) is int and 0 <= count < _LARGEST for count in counts):
            raise ValueError("counts must be whole numbers.")
        if value["total"] is None or not all(
            type(amount) in (int, float) and abs(amount) < _LARGEST for amount in amounts
        ):
            raise ValueError("sums must be numbers.")
        return cls(**value)._unshared()

    def to_json(self) -> dict[str, Any]:
        """Return the tally in JSON types."""
        return vars(self) | {"missing": dict(self.missing), "lines": list(self.lines)}

    def copy(self) -> Tally:
        """Return a tally that no longer changes with this one."""
        return replace(self)._unshared()

    def _unshared(self) -> Tally:
        self.missing, self.lines = Counter(self.missing), list(self.lines)
        return self

    @property
    def n_missing(self) -> int:
        """Number of records without a difficulty."""
        return self.n_records - self.n_scored

    @property
    def mean(self) -> float | None:
        """Mean difficulty, if any record has one."""
        return self.total / self.n_scored if self.n_scored else None

    def add(self, score: Score, line: int) -> None:
        """Count the score of the record at a line."""
        self.n_records += 1
        self.n_truncated += score.truncated
        value = score.difficulty
        if value is None:
            self.missing[score.missing or "no difficulty"] += 1
            if len(self.lines) < LINES_LISTED:
                self.lines.append(line)
            return
        self.n_scored += 1
        self.total += value
        self.low = value if self.low is None else min(self.low, value)
        self.high = value if self.high is None else max(self.high, value)
        if score.passed is not None:
            k, m = score.passed
            self.n_rates += 1
            self.n_none_passed += k == 0
            self.n_all_passed += k == m

    def refuse_if_empty(self, path: object) -> None:
        """Raise an `InputError` if there was no record, or none that could be scored."""
        if not self.n_records:
            raise InputError(
                "no records; the file is empty or has only blank lines.", path=str(path)
            )
        if not self.n_scored:
            reason, count = self.missing.most_common(1)[0]
            raise InputError(
                f"none of the {self.n_records} records can be scored ({count} times: {reason}).",
                path=str(path),
            )
