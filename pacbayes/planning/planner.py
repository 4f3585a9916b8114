"""From runs and a target to a plan: the one place where everything meets."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from pacbayes.errors import InputError
from pacbayes.plan import KLGrowth, Misspecification, PhaseDiagram, Plan, PlanRuns, Target
from pacbayes.planning import limits
from pacbayes.planning.answers import answer
from pacbayes.planning.certified import certified_runs, gap_model
from pacbayes.planning.forecast import Forecaster, fit_forecaster
from pacbayes.planning.misspecification import misspecification
from pacbayes.planning.mixture_answers import fit_mixer
from pacbayes.planning.movement import break_evens, movement
from pacbayes.planning.phase_diagram import phase_diagram
from pacbayes.planning.pilots import Pilots, bases_of, pilots_of, strata_of
from pacbayes.runs import RunSet
from pacbayes.schema import require, require_probability
from pacbayes.version import __version__

Floats = NDArray[np.float64]

BASE_STRENGTHS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""Rows of the phase diagram."""


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
    mixer = fit_mixer(pilots, fitted, seed=settings.seed, level=settings.level)
    budgets = sorted(set(settings.budgets or map(int, pilots.budget)))
    answers = tuple(answer(n, fitted, certified, mixer, level=settings.level) for n in budgets)
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
        comparative_statics=movement(fitted, budgets, level=settings.level, seed=settings.seed),
        misspecification=Misspecification(
            statistic=fit_test.statistic, p_value=fit_test.p_value, warning=fit_test.warning
        ),
        gap=gap_model(certified),
        budgets=answers,
        break_even=break_evens(fitted, pilots, budgets, level=settings.level),
        phase_diagram=diagram,
        unknown=(*fitted.target.unknown, *limits.unknown(pilots, target, fitted, answers)),
        assumptions=(
            *fitted.target.assumptions,
            *carried,
            *limits.mixing(mixer),
            *limits.assumptions(pilots, target, strata, settings.strata_edges is not None),
        ),
    )


def _grid(pilots: Pilots, n: int) -> Floats:
    """An even grid and the runs' own difficulties, none twice but for rounding."""
    trained = np.unique(pilots.difficulty)
    even = np.linspace(trained[0], trained[-1], n)
    apart = np.abs(even[:, None] - trained).min(axis=1) > 1e-6 * np.ptp(trained)
    return np.sort(np.concatenate([even[apart], trained]))


def _fit(pilots: Pilots, grid: Floats, settings: PlanSettings) -> Forecaster:
    return fit_forecaster(
        pilots, grid, n_fits=settings.n_fits, seed=settings.seed, level=settings.level
    )


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
        # a base that no plan of its own could be made from adds nothing
        with suppress(InputError):
            other = pilots_of(runs.runs, target, base=base)
            same = np.array_equal(np.unique(other.difficulty), np.unique(pilots.difficulty))
            if base != pilots.base and other.base_risk is not None and same:
                curves.append(_fit(other, grid, settings).target_fits)
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
