"""The answers for one budget: by predicted risk, and by the bound on it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pacbayes.plan import BudgetPlan, ByDifficulty, Objective, Optimum, Quantity
from pacbayes.planning.certified import CertifiedRun, least_bound
from pacbayes.planning.forecast import Forecast, Forecaster
from pacbayes.planning.mixture_answers import Mixer
from pacbayes.planning.optimum import OptimalDifficulty, optimal_difficulty

Floats = NDArray[np.float64]


def answer(
    budget: int,
    fitted: Forecaster,
    certified: Sequence[CertifiedRun],
    mixer: Mixer | None,
    *,
    level: float,
) -> BudgetPlan:
    """Both answers for one budget, and what they rest on.

    Args:
        budget: The budget.
        fitted: What was fitted to the runs.
        certified: All runs; those of this budget, if of two difficulties, decide by their bounds.
        mixer: What mixtures are judged with, if they can be.
        level: Of the intervals that are no certificates.
    """
    forecast, grid = fitted.at(budget), fitted.difficulties
    best = optimal_difficulty(forecast.target_risk, grid, level=level)
    by_bound = optimal_difficulty(forecast.bound, grid, level=level)
    optimum, objective = _forecast_optimum(by_bound), _objective(forecast, grid, by_bound, level)
    seen = [run for run in certified if run.run.budget == budget]
    if len({run.difficulty for run in seen}) > 1:
        optimum, chosen = least_bound(seen)
        objective = chosen.objective()
    return BudgetPlan(
        budget=budget,
        extrapolation=budget / max(run.run.budget for run in certified),
        optimal_difficulty=_forecast_optimum(best),
        certificate_optimal_difficulty=optimum,
        objective=objective,
        predicted_risk=_quantity(best.risk, best.risk_interval),
        by_difficulty=_by_difficulty(forecast, level),
        mixture=None if mixer is None else mixer.at(budget),
        observed=tuple(run.observed() for run in seen) or None,
    )


def _forecast_optimum(found: OptimalDifficulty) -> Optimum:
    low, high = found.interval
    return Optimum(
        value=found.value,
        interval=(min(low, found.value), max(high, found.value)),
        indistinguishable=found.indistinguishable,
        status="forecast",
    )


def _quantity(value: float, interval: tuple[float, float]) -> Quantity:
    # a mean may lie outside quantiles where the fits are few or skewed
    low, high = min(interval[0], value), max(interval[1], value)
    return Quantity(value=value, interval=(low, high), status="forecast")


def _objective(
    forecast: Forecast, grid: Floats, found: OptimalDifficulty, level: float
) -> Objective:
    place = int(np.searchsorted(grid, found.value))

    def part(values: Floats) -> Quantity:
        column = values[:, place]
        low, high = np.quantile(column, [(1 - level) / 2, (1 + level) / 2])
        return _quantity(float(column.mean()), (float(low), float(high)))

    return Objective(
        empirical_risk=part(forecast.empirical_risk),
        generalization_gap=part(forecast.generalization_gap),
        extrapolation_gap=part(forecast.extrapolation_gap),
    )


def _by_difficulty(forecast: Forecast, level: float) -> ByDifficulty:
    tails = [(1 - level) / 2, (1 + level) / 2]
    low, high = np.quantile(forecast.target_risk, tails, axis=0)

    def listed(values: Floats) -> tuple[float, ...]:
        return tuple(map(float, values))

    return ByDifficulty(
        empirical_risk=listed(forecast.empirical_risk.mean(axis=0)),
        generalization_gap=listed(forecast.generalization_gap.mean(axis=0)),
        extrapolation_gap=listed(forecast.extrapolation_gap.mean(axis=0)),
        predicted_risk=listed(forecast.target_risk.mean(axis=0)),
        lower=listed(low),
        upper=listed(high),
    )
