"""Betting bounds for the mean of draws in [0, 1], fed piece by piece."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from pacbayes.bounds._domain import require, require_delta
from pacbayes.bounds.betting import GRID, Wealth, focused, lower_of


class Betting:
    """Upper and lower bounds on a mean that hold at all times at once.

    A mixture of bets, fixed beforehand, that the mean is below μ multiplies its stake by
    Π_j (1 − λ x_j)/(1 − λ μ); at the true mean this is a martingale, so that it exceeds 1/δ ever
    with probability at most δ (Ville). The upper bound is the largest μ not so refuted. Where the
    draws vary little the bounds are far inside those that know only their mean.

    Draws must be independent with one mean given the past (posterior draws of one stratum over
    examples drawn at random; or whole passes: then ask at the ends of passes only). Memory does
    not grow with the number of draws.

    Args:
        aim: How strongly one expects to bet, the distance from the mean at which draws should be
            settled over their variance, fixed before the draws; None if nothing is known. It
            changes how many draws it takes, not what holds.
        mean: About what the mean will be, if there is an aim.

    Reference: Waudby-Smith & Ramdas (2024), Estimating Means of Bounded Random Variables by
    Betting.

    >>> betting = Betting()
    >>> betting.update([0.2, 0.21, 0.19, 0.2] * 250)
    >>> betting.n_draws, round(betting.lower(0.05), 3), round(betting.upper(0.05), 3)
    (1000, 0.199, 0.204)
    """

    def __init__(self, *, aim: float | None = None, mean: float = 0.5) -> None:
        none = np.zeros(len(GRID))
        if aim is None:
            self._draws = self._complements = Wealth(log_sums=none)
            return
        # a bet λ stakes b = λ/(1 − λ mean) on a draw below the mean; b t − b² v/2 is best at t/v
        upper, lower = (
            min(max(aim / (1 + aim * middle), 1e-6), 1 - 1e-6) for middle in (mean, 1 - mean)
        )
        self._draws = Wealth(log_sums=none, log_weights=focused(upper))
        self._complements = Wealth(log_sums=none, log_weights=focused(lower))

    @property
    def n_draws(self) -> int:
        """Draws seen so far."""
        return self._draws.n

    @property
    def mean(self) -> float:
        """Their mean, 0.5 before the first."""
        return min(1.0, self._draws.total / self.n_draws) if self.n_draws else 0.5

    def update(self, draws: ArrayLike) -> None:
        """Takes more draws in [0, 1], one or an array.

        Raises:
            ValueError: A draw outside [0, 1]; none is taken then.
        """
        values = np.atleast_1d(np.asarray(draws, dtype=np.float64)).ravel()
        require((values >= 0) & (values <= 1), values, "draws", "lie in [0, 1]")
        self._draws = self._draws.after(values)
        self._complements = self._complements.after(1 - values)

    def upper(self, delta: float) -> float:
        """A bound that the mean exceeds, at whatever time it is asked for, with probability ≤ δ.

        Raises:
            ValueError: `delta` outside (0, 1).
        """
        return self._draws.upper(float(require_delta(delta)))

    def lower(self, delta: float) -> float:
        """A bound that exceeds the mean with probability ≤ δ; on an event of its own."""
        return lower_of(self._complements.upper(float(require_delta(delta))))
