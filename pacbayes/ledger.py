"""What a failure probability is spent on, and the refusal to spend more than there is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


class OverspentError(ValueError):
    """More failure probability was asked for than is left."""


class DeltaLedger:
    """A failure probability δ and the events among which it is shared (union bound).

    The statements that hold on all entered events together hold with probability at least 1 − δ.
    The sum is carried with its rounding error, so that neither δ/2 + δ/2 is refused nor an ulp
    too much allowed.

    Args:
        total: δ in (0, 1), a number or an array (then each entry is one too, and what is
            said of sums holds element by element).

    Raises:
        ValueError: `total` outside (0, 1).

    >>> ledger = DeltaLedger(0.05)
    >>> ledger.spend("kl bound", 0.04)
    0.04
    >>> ledger.spend("Monte Carlo", 0.02)
    Traceback (most recent call last):
        ...
    pacbayes.ledger.OverspentError: `Monte Carlo` asks for delta 0.02 where 0.01 of 0.05 is left.
    """

    def __init__(self, total: ArrayLike) -> None:
        self.total = np.array(total, dtype=np.float64)
        if not np.all((self.total > 0) & (self.total < 1)):
            raise ValueError(
                f"`total` must lie in (0, 1), got {self.total}. It is a failure probability."
            )
        self._spent: NDArray[np.float64] = np.zeros_like(self.total)
        self._spent_error: NDArray[np.float64] = np.zeros_like(self.total)
        self._entries: list[tuple[str, Any]] = []

    @property
    def entries(self) -> tuple[tuple[str, Any], ...]:
        """The events entered so far with what each may fail with, in order."""
        return tuple(self._entries)

    def spend(self, event: str, delta: ArrayLike) -> Any:
        """Enters an event that fails with probability at most `delta`, and returns `delta`.

        Raises:
            OverspentError: The entries would sum to more than the total; nothing is entered.
            ValueError: `delta` is not above 0, or infinite.
        """
        part = np.array(delta, dtype=np.float64)
        if not np.all((part > 0) & (part < np.inf)):
            raise ValueError(f"`delta` of `{event}` must be above 0 and finite, got {part}.")
        total, low = _two_sum(self._spent, part)
        error, lost = _two_sum(self._spent_error, low)
        # what even the second number cannot hold is rounded up
        error = np.where(lost > 0, np.nextafter(error, np.inf), error)
        if np.any((total - self.total) + error > 0):
            left = float(np.min((self.total - self._spent) - self._spent_error))
            raise OverspentError(
                f"`{event}` asks for delta {np.max(part):.6g} where {left:.6g} of "
                f"{np.min(self.total):.6g} is left."
            )
        self._spent, self._spent_error = total, error
        self._entries.append((event, _plain(part)))
        return _plain(part)

    def split(self, events: Sequence[str], weights: Sequence[float] | None = None) -> list[Any]:
        """Enters several events, each with its share of the total, rounded down.

        Args:
            events: What may fail, at least one.
            weights: Shares fixed in advance, summing to at most 1; equal shares by default.

        Returns:
            The δ of each event.

        Raises:
            OverspentError: As `spend`; none of the events is entered.
            ValueError: No events, another number of weights, or a weight that is not above 0.
        """
        if not events:
            raise ValueError("`events` must name at least one.")
        shares = [1 / len(events)] * len(events) if weights is None else weights
        before = self._spent, self._spent_error, list(self._entries)
        try:
            return [
                self.spend(event, self._share(weight))
                for event, weight in zip(events, shares, strict=True)
            ]
        except ValueError:
            self._spent, self._spent_error, self._entries = before
            raise

    def _share(self, weight: float) -> NDArray[np.float64]:
        product = self.total * weight
        exact = np.frexp(weight)[0] == 0.5  # a power of two
        return product if exact else product * (1 - 2.0**-51)


def _two_sum(a: Any, b: Any) -> tuple[Any, Any]:
    """The sum rounded, and what the rounding left out (Knuth)."""
    total = a + b
    rest = total - a
    return total, (a - (total - rest)) + (b - rest)


def _plain(value: NDArray[np.float64]) -> Any:
    return float(value) if value.ndim == 0 else value
