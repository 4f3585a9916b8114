"""The optimal difficulty at a budget, and the difficulties that the runs cannot tell from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pacbayes.errors import InputError
from pacbayes.learning_curves import Curves

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class OptimalDifficulty:
    """A forecast of d* at one budget.

    Attributes:
        value: The difficulty of least expected regret over the fits.
        interval: Quantiles of the fits' own best difficulties.
        indistinguishable: Grid difficulties that may be the best: see `optimal_difficulty`.
        expected_regret: Mean over fits of the risk at `value` above the fit's least.
        risk: Mean over fits of the risk at `value`.
        risk_interval: Its quantiles.
    """

    value: float
    interval: tuple[float, float]
    indistinguishable: tuple[float, ...]
    expected_regret: float
    risk: float
    risk_interval: tuple[float, float]


def optimal_difficulty(
    risk: ArrayLike, difficulties: ArrayLike, *, level: float = 0.9
) -> OptimalDifficulty:
    """Find the difficulty of least expected regret, and those it cannot be told from.

    Regret is a difficulty's risk above the least in the same fit; its mean over fits is least where
    the mean risk is. A difficulty is indistinguishable from the best unless it is worse than the
    chosen one in a share `level` of the fits. Risks are compared within a fit: what moves all
    difficulties together widens nothing. Being tests of single difficulties against the chosen
    one, these leave the best out less often than they may where the fits are right.

    Args:
        risk: Risk, or another objective, of each fit at each difficulty; shape (fits, D).
        difficulties: Increasing, shape (D,).
        level: Of the set and the intervals, in (0, 1); an interval's ends fail equally often.

    Raises:
        InputError: Shapes that do not fit, a risk that is not finite, or `level` outside (0, 1).

    >>> optimal_difficulty([[0.5, 0.2, 0.3], [0.5, 0.2, 0.1]], [0, 1, 2]).value
    1.0
    """
    risks, grid = np.asarray(risk, dtype=np.float64), np.asarray(difficulties, dtype=np.float64)
    if risks.ndim != 2 or grid.shape != risks.shape[1:] or not risks.size:
        raise InputError(
            "`risk` must have shape (fits, difficulties), got "
            f"{risks.shape} for {grid.size} difficulties."
        )
    if not np.all(np.isfinite(risks)):
        raise InputError("`risk` must be finite.")
    if not 0 < level < 1:
        raise InputError(f"`level` must lie in (0, 1), got {level:g}.")
    chosen = int(np.argmin(risks.mean(axis=0)))
    return OptimalDifficulty(
        value=float(grid[chosen]),
        interval=_interval(grid[np.argmin(risks, axis=1)], level),
        indistinguishable=tuple(map(float, grid[_may_be_best(risks, chosen, level)])),
        expected_regret=float(np.mean(risks[:, chosen] - risks.min(axis=1))),
        risk=float(np.mean(risks[:, chosen])),
        risk_interval=_interval(risks[:, chosen], level),
    )


def optimal_difficulties(
    curves: Curves, budgets: Sequence[float], *, level: float = 0.9
) -> tuple[OptimalDifficulty, ...]:
    """Return d* at each budget, among the difficulties of the curves (see `Curves.at`)."""
    return tuple(
        optimal_difficulty(curves.risk(budget), curves.difficulties, level=level)
        for budget in budgets
    )


def best_by_fit(curves: Curves, budgets: Sequence[float]) -> Floats:
    """Return each fit's own best difficulty at each budget, shape (fits, budgets)."""
    places = [np.argmin(curves.risk(budget), axis=1) for budget in budgets]
    best: Floats = curves.difficulties[np.stack(places, axis=1)]
    return best


def _may_be_best(risks: Floats, chosen: int, level: float) -> NDArray[np.bool_]:
    as_good = np.mean(risks <= risks[:, [chosen]], axis=0)
    possible: NDArray[np.bool_] = as_good > 1 - level
    return possible


def _interval(values: Floats, level: float) -> tuple[float, float]:
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2], method="inverted_cdf")
    return float(low), float(high)
