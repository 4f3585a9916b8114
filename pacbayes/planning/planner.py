"""From runs and a target to a plan: the one place where everything meets."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pacbayes.errors import InputError
from pacbayes.plan import (
    BreakEven,
    BudgetPlan,
    ByDifficulty,
    ComparativeStatics,
    KLGrowth,
    Misspecification,
    Objective,
    Optimum,
    PhaseDiagram,
    Plan,
    PlanRuns,
    Quantity,
    Target,
)
from pacbayes.planning import limits
from pacbayes.planning.break_even import break_even
from pacbayes.planning.certified import CertifiedRun, certified_runs, gap_model, least_bound
from pacbayes.planning.comparative_statics import (
    comparative_statics,
    complete_budgets,
    observed_optima,
)
from pacbayes.planning.forecast import Forecast, Forecaster, fit_forecaster
from pacbayes.planning.misspecification import misspecification
from pacbayes.planning.optimum import OptimalDifficulty, best_by_fit, optimal_difficulty
from pacbayes.planning.phase_diagram import phase_diagram
from pacbayes.planning.pilots import Pilots, bases_of, pilots_of, strata_of
from pacbayes.runs import RunSet
from pacbayes.schema import require, require_probability
from pacbayes.version import __version__

Floats = NDArray[np.float64]

BASE_STRENGTHS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""Rows of the phase diagram."""

BEYOND = 4.0
"""How far beyond smallest and largest budget a break-even budget is looked for."""


@dataclass(frozen=True, kw_only=True)
class PlanSettings:
    """How to plan; the names are those of the command line.

    Attributes:
        budgets: Budgets to answer for, in any order; empty for those of the runs.
        n_fits: Bootstrap fits.
        seed: Of the bootstrap.
        level: Of all intervals that are no certificates.
        grid: Difficulties that are searched, evenly from the easiest to the hardest of the runs,
            beside those of the runs themselves.
        base: The base model to plan for; by default that with most runs.
        shared_strata: Whether target examples of a stratum are distributed as the training
            examples of it, by construction.
        strata_edges: Between the strata; by default midway between their mean difficulties.
    """

    budgets: tuple[int, ...] = ()
    n_fits: int = 1000
    seed: int = 0
    level: float = 0.9
    grid: int = 21
    base: str | None = None
    shared_strata: bool = False
    strata_edges: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        for budget in self.budgets:
            require(budget >= 1, f"`budgets` must be at least 1, got {budget}; they count units.")
        require(self.n_fits >= 40, f"`bootstrap` must be at least 40, got {self.n_fits}.")
        require_probability("level", self.level)
        require(self.level > 0.5, f"`level` must lie in (0.5, 1), got {self.level}.")
        require(self.grid >= 2, f"`grid` must be at least 2, got {self.grid}.")
        require(0 <= self.seed < 2**32, f"`seed` must lie in [0, 2**32), got {self.seed}.")


def plan(runs: RunSet, target: Target, settings: PlanSettings) -> Plan:
    """Plan the difficulty of training data at each budget.

    Two answers are given for each: the difficulty of least expected regret under learning curves
    fitted to the runs' target risk (a forecast), and that of least bound on the target risk, which
    is certified where runs have that budget and a forecast elsewhere.

    Args:
        runs: Comparable runs.
        target: Shares of the strata in the target; without any, the runs' own measured target.
        settings: Budgets, bootstrap and grid.

    Raises:
        InputError: See `pilots_of` and `PlanSettings`.
    """
    pilots = pilots_of(runs.runs, target, base=settings.base)
    grid = _grid(pilots, settings.grid)
    fitted = _fit(pilots, grid, settings)
    certified = certified_runs(
        pilots, target, shared_strata=settings.shared_strata, level=settings.level
    )
    budgets = sorted(set(settings.budgets or map(int, pilots.budget)))
    answers = tuple(_answer(n, fitted, certified, settings) for n in budgets)
    strata = strata_of(runs.runs, settings.strata_edges)
    fit_test = misspecification(fitted.target, seed=settings.seed)
    diagram, carried = _phase_diagram(runs, target, grid, budgets, fitted, pilots, settings)
    return Plan(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        version=__version__,
        seed=settings.seed,
        loss=pilots.runs[0].loss,
        delta=pilots.runs[0].delta,
        bases=(pilots.base, *(b for b in bases_of(runs.runs) if b != pilots.base)),
        runs=PlanRuns(number=len(pilots.runs), path=runs.path, sha256=runs.sha256),
        target=target,
        strata=strata,
        difficulties=tuple(map(float, grid)),
        level=settings.level,
        kl_growth=KLGrowth(
            exponent=fitted.growth.exponent,
            interval=fitted.growth.interval,
            verdict=fitted.growth.verdict,  # type: ignore[arg-type]
            statement=fitted.growth.statement,
        ),
        comparative_statics=_comparative_statics(fitted, budgets, settings),
        misspecification=Misspecification(
            statistic=fit_test.statistic, p_value=fit_test.p_value, warning=fit_test.warning
        ),
        gap=gap_model(certified),
        budgets=answers,
        break_even=_break_evens(fitted, pilots, budgets, settings),
        phase_diagram=diagram,
        unknown=(*fitted.target.unknown, *limits.unknown(pilots, target, fitted, answers)),
        assumptions=(
            *fitted.target.assumptions,
            *carried,
            *limits.assumptions(pilots, target, strata, settings.strata_edges is not None),
        ),
    )


def _grid(pilots: Pilots, n: int) -> Floats:
    low, high = pilots.difficulty.min(), pilots.difficulty.max()
    return np.unique(np.concatenate([np.linspace(low, high, n), pilots.difficulty]))


def _fit(pilots: Pilots, grid: Floats, settings: PlanSettings) -> Forecaster:
    return fit_forecaster(
        pilots, grid, n_fits=settings.n_fits, seed=settings.seed, level=settings.level
    )


def _answer(
    budget: int,
    fitted: Forecaster,
    certified: Sequence[CertifiedRun],
    settings: PlanSettings,
) -> BudgetPlan:
    forecast, grid, level = fitted.at(budget), fitted.difficulties, settings.level
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
        mixture=None,
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


def _comparative_statics(
    fitted: Forecaster, budgets: Sequence[int], settings: PlanSettings
) -> ComparativeStatics:
    data, curves = fitted.target.data, fitted.target
    optima = observed_optima(data, curves.variance, n_fits=settings.n_fits, seed=settings.seed)
    seen = complete_budgets(data)
    use_seen = len(seen) > 1
    found = comparative_statics(
        best_by_fit(fitted.target_fits, budgets),
        budgets,
        level=settings.level,
        tolerance=float(np.diff(fitted.difficulties).max()),
        observed=optima if use_seen else None,
        observed_budgets=seen if use_seen else None,
    )
    return ComparativeStatics(
        verdict=found.verdict,  # type: ignore[arg-type]
        statement=found.statement,
    )


def _break_evens(
    fitted: Forecaster, pilots: Pilots, budgets: Sequence[int], settings: PlanSettings
) -> tuple[BreakEven, ...]:
    """Of each two neighbouring difficulties of the runs, and of the easiest and the hardest."""
    trained = sorted(set(map(float, pilots.difficulty)))
    pairs = list(pairwise(trained))
    if len(trained) > 2:
        pairs.append((trained[0], trained[-1]))
    every = (*budgets, *pilots.budget)
    span = (float(min(every) / BEYOND), float(max(every) * BEYOND))
    return tuple(_break_even(fitted, pair, span, settings.level) for pair in pairs)


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


def _phase_diagram(
    runs: RunSet,
    target: Target,
    grid: Floats,
    budgets: Sequence[int],
    fitted: Forecaster,
    pilots: Pilots,
    settings: PlanSettings,
) -> tuple[PhaseDiagram | None, tuple[str, ...]]:
    """The diagram and what carries it over to other bases; None if no base was measured."""
    if pilots.base_risk is None:
        return None, ()
    curves = [fitted.target_fits]
    for base in bases_of(runs.runs):
        other = pilots if base == pilots.base else pilots_of(runs.runs, target, base=base)
        same_span = np.array_equal(np.unique(other.difficulty), np.unique(pilots.difficulty))
        if base != pilots.base and other.base_risk is not None and same_span:
            curves.append(_fit(other, grid, replace(settings, base=base)).target_fits)
    try:
        found = phase_diagram(curves, budgets=budgets, base_strengths=BASE_STRENGTHS)
    except InputError:
        # two bases of one strength: the diagram of the first
        found = phase_diagram(curves[:1], budgets=budgets, base_strengths=BASE_STRENGTHS)
    diagram = PhaseDiagram(
        budgets=tuple(budgets),
        base_strengths=found.base_strengths,
        optimal_difficulty=found.optimal_difficulty,
    )
    return diagram, (f"Phase diagram: {found.assumption}",)
