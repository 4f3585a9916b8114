"""The budget from which the harder of two difficulties is the better one to train on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pacbayes.errors import InputError
from pacbayes.learning_curves import Curves

Floats = NDArray[np.float64]

_GRID = 200
_HALVINGS = 40


@dataclass(frozen=True, kw_only=True)
class BreakEven:
    """A forecast of the break-even budget of two difficulties.

    Attributes:
        easier: The easier difficulty.
        harder: The harder one.
        budget: Median over fits; 0 if the harder one is better at all budgets searched, inf if
            at none that reaches up to the largest.
        interval: Quantiles over fits, likewise.
        probability: Share of the fits that have a break-even budget within those searched.
    """

    easier: float
    harder: float
    budget: float
    interval: tuple[float, float]
    probability: float


def break_even(
    curves: Curves,
    *,
    easier: float,
    harder: float,
    budgets: tuple[float, float],
    level: float = 0.9,
) -> BreakEven:
    """Find, in each fit, the budget from which on the harder difficulty has the lower risk.

    Of several crossings within the searched budgets the last counts.

    Args:
        curves: Fits, whose range of difficulties holds both.
        easier: A difficulty.
        harder: A larger one.
        budgets: Smallest and largest budget to search.
        level: Of the interval, in (0, 1).

    Raises:
        InputError: `easier` not below `harder`, outside the curves' range, budgets that are not
            positive and increasing, or `level` outside (0, 1).
    """
    if not easier < harder:
        raise InputError(f"`easier` must be below `harder`, got {easier:g} and {harder:g}.")
    if not 0 < budgets[0] < budgets[1]:
        raise InputError(f"`budgets` must be positive and increasing, got {budgets}.")
    if not 0 < level < 1:
        raise InputError(f"`level` must lie in (0, 1), got {level:g}.")
    found = _by_fit(curves.at([easier, harder]), *np.log(budgets))
    quantiles = [0.5, (1 - level) / 2, (1 + level) / 2]
    middle, low, high = np.quantile(found, quantiles, method="inverted_cdf")
    return BreakEven(
        easier=easier,
        harder=harder,
        budget=float(middle),
        interval=(float(low), float(high)),
        probability=float(np.mean((found > 0) & np.isfinite(found))),
    )


def _by_fit(pair: Curves, low: float, high: float) -> Floats:
    grid = np.linspace(low, high, _GRID)
    better = np.stack([_harder_is_better(pair, np.full(len(pair), x)) for x in grid], axis=1)
    # the last grid budget at which the easier one is still as good
    last = _GRID - 1 - np.argmax(~better[:, ::-1], axis=1)
    crossing = _bisect(pair, grid[last], grid[np.minimum(last + 1, _GRID - 1)])
    found = np.where(better[:, -1], np.exp(crossing), np.inf)
    return np.where(better.all(axis=1), 0.0, found)


def _bisect(pair: Curves, left: Floats, right: Floats) -> Floats:
    for _ in range(_HALVINGS):
        middle = (left + right) / 2
        better = _harder_is_better(pair, middle)
        left, right = np.where(better, left, middle), np.where(better, middle, right)
    return right


def _harder_is_better(pair: Curves, log_budget: Floats) -> NDArray[np.bool_]:
    risk = pair.risk(np.exp(log_budget)[:, None])
    better: NDArray[np.bool_] = risk[:, 1] < risk[:, 0]
    return better
