"""Drawing until the mean is known well enough."""

from __future__ import annotations

from typing import Literal

from numpy.typing import ArrayLike

from pacbayes.confidence.betting import Betting
from pacbayes.ledger import DeltaLedger


class Stopper:
    """Tells when enough draws have been seen for a mean to be within ε at δ′.

    The interval is valid at all times at once, so that looking after every draw costs nothing;
    it never widens, as all its predecessors hold on the same event. Draws are as in `Betting`: with
    one draw for each of fixed examples, look at the ends of whole passes only.

    Args:
        tolerance: ε > 0. With `side` "both" the interval's half-width, with "upper" the distance
            of the upper bound from the mean so far.
        delta: δ′ in (0, 1), for the whole run; both sides share it.
        side: Whether a lower bound is wanted too.

    Raises:
        ValueError: An argument outside its domain.

    >>> import numpy as np
    >>> rng, stopper = np.random.default_rng(0), Stopper(tolerance=0.01, delta=0.05)
    >>> while not stopper.done:
    ...     stopper.update(rng.beta(2, 38, size=100))  # mean .05
    >>> low, high = stopper.interval
    >>> low <= 0.05 <= high, high - low <= 0.02
    (True, True)
    """

    def __init__(
        self, *, tolerance: float, delta: float, side: Literal["both", "upper"] = "both"
    ) -> None:
        if not tolerance > 0:
            raise ValueError(f"`tolerance` must be above 0, got {tolerance}.")
        if side not in ("both", "upper"):
            raise ValueError(f"`side` must be both or upper, got {side!r}.")
        self.tolerance = tolerance
        self.side = side
        ledger = DeltaLedger(delta)
        events = ["mean above", "mean below"] if side == "both" else ["mean above"]
        self._delta = ledger.split(events)[0]
        self._betting = Betting()
        self._low, self._high = 0.0, 1.0

    @property
    def n_draws(self) -> int:
        """Draws seen so far."""
        return self._betting.n_draws

    @property
    def mean(self) -> float:
        """Their mean."""
        return self._betting.mean

    @property
    def interval(self) -> tuple[float, float]:
        """Contains the mean at all times at once with probability ≥ 1 − δ′."""
        return self._low, self._high

    @property
    def done(self) -> bool:
        """Whether the interval is as narrow as wanted."""
        if self.n_draws == 0:
            return False
        if self.side == "upper":
            return self._high - self.mean <= self.tolerance
        return self._high - self._low <= 2 * self.tolerance

    def update(self, draws: ArrayLike) -> None:
        """Takes more draws in [0, 1], one or an array.

        Raises:
            ValueError: A draw outside [0, 1]; none is taken then.
        """
        self._betting.update(draws)
        self._high = min(self._high, self._betting.upper(self._delta))
        if self.side == "both":
            self._low = max(self._low, self._betting.lower(self._delta))
