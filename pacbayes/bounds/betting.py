"""The wealth of a fixed mixture of bets against a mean in [0, 1]."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pacbayes.bounds._bets import log_bet
from pacbayes.bounds._domain import Array, require

GRID = 1 / (1 + np.exp(-np.linspace(-9.0, 5.0, 57)))
"""The bets λ_k, in equal steps of ln(λ/(1 − λ)): fixed before any data."""

UNIFORM = np.full(len(GRID), -math.log(len(GRID)))
"""ln w_k of equal weights."""

_FOCUSED = 0.8
_FOCUS_WIDTH = 0.5

_SLACK = 2.0**-44
_MOST_STEPS = 200


@dataclass(frozen=True, kw_only=True)
class Wealth:
    """What the bets have made of draws in [0, 1], up to the factor that depends on the mean.

    Attributes:
        log_sums: Σ_i ln(1 − λ_k x_i) for each bet, rounded down.
        n: Number of draws.
        total: Their sum.
        log_weights: ln w_k, fixed before the draws; the weights add up to 1.
    """

    log_sums: Array
    n: int = 0
    total: float = 0.0
    log_weights: Array = field(default_factory=lambda: UNIFORM)

    def after(self, draws: ArrayLike) -> Wealth:
        """The wealth when more draws have been seen; their order does not matter.

        Raises:
            ValueError: A draw outside [0, 1].
        """
        values = np.atleast_1d(np.asarray(draws, dtype=np.float64)).ravel()
        require((values >= 0) & (values <= 1), values, "draws", "lie in [0, 1]")
        if not values.size:
            return self
        distinct, counts = np.unique(values, return_counts=True)
        logs = np.concatenate(
            [
                log_bet(GRID[:, None], part) @ number.astype(np.float64)[:, None]
                for part, number in _blocks(distinct, counts)
            ],
            axis=1,
        ).sum(axis=1)
        return replace(
            self,
            log_sums=(self.log_sums + logs) * (1 + 2.0**-46),
            n=self.n + len(values),
            total=self.total + float(values.sum()),
        )

    def log_wealth(self, mean: float) -> float:
        """Ln Σ_k w_k Π_i (1 − λ_k x_i)/(1 − λ_k mean), rounded down."""
        terms = self.log_weights + self.log_sums - self.n * np.log1p(-GRID * mean)
        size = np.abs(self.log_sums) + self.n * np.abs(np.log1p(-GRID * mean))
        terms = terms - _SLACK * size
        top = float(terms.max())
        return top + math.log(float(np.exp(terms - top).sum())) - _SLACK

    def upper(self, delta: float) -> float:
        """sup{mean : log-wealth ≤ ln(1/δ)}, rounded up; 1.0 before any draw."""
        # the log-wealth increases with the mean: keep an end where it is above the threshold
        threshold = -math.log(delta) * (1 + 2.0**-50)
        low, high = min(1.0, self.total / self.n) if self.n else 1.0, 1.0
        if self.log_wealth(high) <= threshold:
            return 1.0
        for _ in range(_MOST_STEPS):
            middle = (low + high) / 2
            if not low < middle < high:
                break
            if self.log_wealth(middle) > threshold:
                high = middle
            else:
                low = middle
        return high


def focused(lam: float) -> Array:
    """Ln w_k of weights most of which are near one bet, the rest equal.

    Args:
        lam: The bet in (0, 1) that is expected to be best; whatever it is, the bounds hold.
    """
    places = np.log(GRID) - np.log1p(-GRID)
    near = np.exp(-0.5 * ((places - math.log(lam / (1 - lam))) / _FOCUS_WIDTH) ** 2) + 1e-300
    weights = _FOCUSED * near / near.sum() + (1 - _FOCUSED) / len(GRID)
    return np.asarray(np.log(weights / weights.sum()))


def lower_of(upper_of_complements: float) -> float:
    """A lower bound on the mean of x from the upper bound on that of 1 − x."""
    return max(0.0, 1 - upper_of_complements - 2.0**-50)


def wealth_of(draws: ArrayLike) -> Wealth:
    """The wealth after these draws.

    Raises:
        ValueError: A draw outside [0, 1].
    """
    return Wealth(log_sums=np.zeros(len(GRID))).after(draws)


def _blocks(values: Array, counts: NDArray[np.int64]) -> list[tuple[Array, NDArray[np.int64]]]:
    size = 1 << 14
    starts = range(0, len(values), size)
    return [(values[i : i + size], counts[i : i + size]) for i in starts]
