"""One line of the self-test's table: a figure, its limit, and whether it keeps to it."""

from __future__ import annotations

from dataclasses import dataclass

FALSE_ALARM = 5e-8
"""Probability with which a random figure misses its limit although all is well; with two for a
limit on both sides and about ten such figures, one run in a million fails for nothing."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What one measurement of a check found.

    Attributes:
        what: What was measured, in words.
        figure: What came out; None if it could not be measured.
        limit: What it may be at most, or at least.
        at_least: Whether the limit is the least.
        false_alarm: Probability with which a sound machine misses the limit.
        reason: Why there is no figure.
        failed_to_run: Whether that is a fault and not a measurement that has no object here.

    >>> Finding(what="violations", figure=0.02, limit=0.05).result
    'pass'
    """

    what: str
    figure: float | None
    limit: float
    at_least: bool = False
    false_alarm: float = 0.0
    reason: str = ""
    failed_to_run: bool = False

    @property
    def result(self) -> str:
        """`pass`, `fail`, or `skipped`; a figure that is no number fails."""
        if self.figure is None:
            return "fail" if self.failed_to_run else "skipped"
        kept = self.figure >= self.limit if self.at_least else self.figure <= self.limit
        return "pass" if kept else "fail"

    @classmethod
    def skipped(cls, what: str, reason: str) -> Finding:
        """There is nothing to measure here."""
        return cls(what=what, figure=None, limit=0.0, reason=reason)

    @classmethod
    def stopped(cls, error: Exception) -> Finding:
        """A check that an error has ended."""
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        return cls(
            what="runs to its end", figure=None, limit=0.0, reason=reason, failed_to_run=True
        )
