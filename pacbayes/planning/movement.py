"""How the best difficulty moves with the budget, and from which budget a harder one pays."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from pacbayes.plan import BreakEven, ComparativeStatics
from pacbayes.planning.break_even import break_even
from pacbayes.planning.comparative_statics import (
    comparative_statics,
    complete_budgets,
    observed_optima,
)
from pacbayes.planning.forecast import Forecaster
from pacbayes.planning.optimum import best_by_fit
from pacbayes.planning.pilots import Pilots

BEYOND = 4.0
"""How far beyond smallest and largest budget a break-even budget is looked for."""


def movement(
    fitted: Forecaster, budgets: Sequence[int], *, level: float, seed: int
) -> ComparativeStatics:
    """Which way the best difficulty moves over the budgets, in the fits and in the runs."""
    data, curves = fitted.target.data, fitted.target
    optima = observed_optima(data, curves.variance, n_fits=len(fitted.target_fits), seed=seed)
    seen = complete_budgets(data)
    use_seen = len(seen) > 1
    found = comparative_statics(
        best_by_fit(fitted.target_fits, budgets),
        budgets,
        level=level,
        tolerance=float(np.diff(fitted.difficulties).max()),
        observed=optima if use_seen else None,
        observed_budgets=seen if use_seen else None,
    )
    return ComparativeStatics(
        verdict=found.verdict,  # type: ignore[arg-type]
        statement=found.statement,
    )


def break_evens(
    fitted: Forecaster, pilots: Pilots, budgets: Sequence[int], *, level: float
) -> tuple[BreakEven, ...]:
    """Of each two neighbouring difficulties of the runs, and of the easiest and the hardest."""
    trained = sorted(set(map(float, pilots.difficulty)))
    pairs = list(pairwise(trained))
    if len(trained) > 2:
        pairs.append((trained[0], trained[-1]))
    every = (*budgets, *pilots.budget)
    span = (float(min(every) / BEYOND), float(max(every) * BEYOND))
    return tuple(_break_even(fitted, pair, span, level) for pair in pairs)


def _break_even(
    fitted: Forecaster, pair: tuple[float, float], span: tuple[float, float], level: float
) -> BreakEven:
    easier, harder = pair
    found = break_even(fitted.target.fits, easier=easier, harder=harder, budgets=span, level=level)
    low, high = (_within(end) for end in found.interval)
    between = f"between budgets {span[0]:,.0f} and {span[1]:,.0f}"
    if found.budget == 0:
        says = f"difficulty {harder:.3g} is better than {easier:.3g} everywhere {between}"
    elif math.isinf(found.budget):
        says = f"difficulty {harder:.3g} is nowhere better than {easier:.3g} {between}"
    else:
        says = f"difficulty {harder:.3g} beats {easier:.3g} from a budget of {found.budget:,.0f}"
    return BreakEven(
        easier=easier,
        harder=harder,
        budget=_within(found.budget),
        interval=(low, high),
        statement=f"Forecast: {says}; {found.probability:.0%} of the fits cross in that range.",
    )


def _within(budget: float) -> float | None:
    return budget if 0 < budget < math.inf else None
