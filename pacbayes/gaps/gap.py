"""What every model of the extrapolation gap returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from pacbayes.bounds._rounding import CLOSE

Status: TypeAlias = Literal["certificate", "estimate", "forecast"]
"""How far a gap may be trusted.

- certificate: holds with probability at least 1 − δ, given what the caller declared to be so by
  construction, such as strata that training and target data share;
- estimate: the interval has the sampling error in it, but also rests on an assumption that is
  neither so by construction nor checked;
- forecast: rests on a constant that nobody measured or on a fitted model.
"""


@dataclass(frozen=True, kw_only=True)
class Gap:
    """An interval for R_target − R_train.

    Attributes:
        model: The model's name in `GAPS`.
        interval: (low, high) within [−1, 1], rounded outward; both ends hold together.
        estimate: A point estimate, or None where the model has bounds only.
        status: See `Status`.
        assumption: What it rests on, one sentence or two.
        delta: Probability that the interval fails, 0 if the model has no sampling error. For a
            forecast, only of the part that was measured, or 1 − level for a fitted one.
        detail: Further numbers of the model, by name.
        reason: Why this model was chosen, where it was chosen automatically.
    """

    model: str
    interval: tuple[float, float]
    estimate: float | None = None
    status: Status
    assumption: str
    delta: float = 0.0
    detail: Mapping[str, float] = field(default_factory=dict, hash=False)
    reason: str = ""

    def __post_init__(self) -> None:
        low, high = self.interval
        if not -1 <= low <= high <= 1:
            raise ValueError(f"`interval` must be ordered and within [-1, 1], got {self.interval}.")

    @property
    def width(self) -> float:
        """The interval's width."""
        return self.interval[1] - self.interval[0]


def outward(low: float, high: float, terms: int) -> tuple[float, float]:
    """The interval widened past the rounding of sums, and cut to [−1, 1].

    Each end must have been summed from `terms` products of numbers whose magnitudes sum to at
    most 4.
    """
    slack = 4 * terms * CLOSE
    return min(1.0, max(-1.0, low - slack)), max(-1.0, min(1.0, high + slack))
