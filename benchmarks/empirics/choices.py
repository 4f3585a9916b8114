"""What each way to choose training data says, from pilots only.

Pilots are the runs on single strata at the least budgets of a study. What the plan says is what
`pacbayes plan --target-weights` says of these runs, at its default settings.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.empirics.grid import Grid, pure_stratum
from benchmarks.empirics.mixes import known_mixtures
from benchmarks.empirics.studies import Study
from benchmarks.planners import PLANNERS
from benchmarks.world import Pilots
from pacbayes.errors import InputError
from pacbayes.plan import BudgetPlan, Plan
from pacbayes.planning.pilots import weighted_risk
from pacbayes.planning.planner import PlanSettings, plan
from pacbayes.runs import Run, RunSet

Floats = NDArray[np.float64]
Places = NDArray[np.intp]

MIXED = "plan, mixtures too"
"""What the plan says to train on, with the pilots on mixtures and not on single strata alone."""

PILOT_SHARE = 0.6
"""Of the budgets, the least ones: three of five."""


@dataclass(frozen=True, kw_only=True)
class Choices:
    """Choices at each budget as places among strata and mixtures, shape (budgets,), by way.

    Attributes:
        places: By the name of the way; places of `Grid.target`'s arms.
        plan: The plan that the pilots give.
        predicted: Its predicted target risk at each stratum, shape (D, budgets).
        plan_difficulty: Its best difficulty on its own, finer grid, shape (budgets,).
    """

    places: dict[str, Places]
    plan: Plan
    predicted: Floats
    plan_difficulty: Floats


def pilot_budgets(grid: Grid, share: float = PILOT_SHARE) -> tuple[int, ...]:
    """The least budgets of a study: this share of them, one at least.

    >>> from types import SimpleNamespace
    >>> pilot_budgets(SimpleNamespace(budgets=(125, 250, 500, 1000, 2000)))
    (125, 250, 500)
    """
    return grid.budgets[: max(1, round(share * len(grid.budgets)))]


def pilots_of(
    study: Study, budgets: Sequence[int], without: int | None = None, *, mixtures: bool = False
) -> RunSet:
    """The runs on single strata at these budgets, perhaps without those of one seed.

    Args:
        study: The study.
        budgets: The budgets.
        without: A seed to leave out.
        mixtures: Take the runs on mixtures too.
    """
    kept = tuple(
        run
        for run in study.found.runs
        if (mixtures or pure_stratum(run) is not None)
        and run.budget in budgets
        and run.seed != without
    )
    return RunSet(runs=kept, path=study.found.path, sha256=study.found.sha256)


def choose(
    study: Study,
    grid: Grid,
    budgets: Sequence[int],
    n_fits: int = PlanSettings.n_fits,
    *,
    without: int | None = None,
) -> Choices:
    """Let every way choose a stratum for each budget of the study.

    Args:
        study: The study.
        grid: Its runs.
        budgets: Those of the pilots, the runs that may be looked at.
        n_fits: Bootstrap fits of the plan.
        without: A seed whose runs are no pilots.

    Raises:
        InputError: A stratum has no pilots, or no plan can be made from them.
    """
    settings = PlanSettings(budgets=grid.budgets, n_fits=n_fits)
    pilots = pilots_of(study, budgets, without)
    made = plan(pilots, study.target, settings)
    order = {stratum.name: stratum.difficulty for stratum in made.strata}
    if missing := set(grid.strata) - set(order):
        raise InputError(f"no pilots on {sorted(missing)}.", path=study.found.path)
    columns = [made.difficulties.index(_nearest(made, order[name])) for name in grid.strata]
    by_bound = [_by_certificate(answer, made, columns) for answer in made.budgets]
    places = {
        "plan": np.array([_by_plan(answer, grid, columns) for answer in made.budgets]),
        "certificate": np.array(by_bound),
        "total variation": _by_planner("total variation", study, grid, pilots.runs),
        "easiest": np.zeros(len(grid.budgets), dtype=np.intp),
        **_middles(grid),
        "hardest": np.full(len(grid.budgets), grid.n_strata - 1),
        "best pilot": _by_planner("best pilot", study, grid, pilots.runs),
    }
    if grid.mixtures:
        every = pilots_of(study, budgets, without, mixtures=True)
        places[MIXED] = _by_mixture(plan(every, study.target, settings), grid)
    predicted = [np.array(answer.by_difficulty.predicted_risk)[columns] for answer in made.budgets]
    return Choices(
        places=places,
        plan=made,
        predicted=np.array(predicted).T,
        plan_difficulty=np.array([answer.optimal_difficulty.value for answer in made.budgets]),
    )


def _nearest(made: Plan, difficulty: float) -> float:
    return min(made.difficulties, key=lambda each: abs(each - difficulty))


def _by_plan(answer: BudgetPlan, grid: Grid, columns: Sequence[int]) -> int:
    """The plan's stratum to take if it must be one, else that of least predicted risk."""
    if answer.mixture is not None and answer.mixture.best_single_stratum in grid.strata:
        return grid.strata.index(answer.mixture.best_single_stratum)
    return int(np.argmin(np.array(answer.by_difficulty.predicted_risk)[columns]))


def _by_mixture(made: Plan, grid: Grid) -> Places:
    """The arm nearest to what the plan says to train on."""
    found = []
    for answer, budget in zip(made.budgets, grid.budgets, strict=True):
        mixes = known_mixtures(grid.n_strata, budget)
        arms = np.array([*np.eye(grid.n_strata), *(mixes[name] for name in grid.mixtures)])
        wanted = np.eye(grid.n_strata)[_nearest_place(answer, grid)]
        if answer.mixture is not None:
            wanted = np.array([answer.mixture.weights.get(name, 0.0) for name in grid.strata])
        found.append(int(np.abs(arms - wanted).max(axis=1).argmin()))
    return np.array(found)


def _nearest_place(answer: BudgetPlan, grid: Grid) -> int:
    return int(np.abs(grid.difficulties - answer.optimal_difficulty.value).argmin())


def _by_certificate(answer: BudgetPlan, made: Plan, columns: Sequence[int]) -> int:
    """The least certified bound of the pilots; where there are none, the least forecast bound."""
    trained = np.array(made.difficulties)[columns]
    if answer.observed is not None:
        return int(np.argmin(np.abs(trained - answer.certificate_optimal_difficulty.value)))
    return int(np.argmin(np.array(answer.by_difficulty.bound)[columns]))


def _middles(grid: Grid) -> dict[str, Places]:
    """Of an even number of strata there are two."""
    low, high = (grid.n_strata - 1) // 2, grid.n_strata // 2
    names = {"middle": low} if low == high else {"lower middle": low, "upper middle": high}
    return {name: np.full(len(grid.budgets), place) for name, place in names.items()}


def _by_planner(name: str, study: Study, grid: Grid, runs: Sequence[Run]) -> Places:
    """What a planner of `benchmarks.planners` chooses."""
    budgets = np.array(grid.budgets, dtype=np.float64)
    chosen = PLANNERS[name](_arrays(study, grid, runs), budgets, grid.difficulties, 0).difficulty
    return np.abs(grid.difficulties - chosen[:, None]).argmin(axis=1)


def _arrays(study: Study, grid: Grid, runs: Sequence[Run]) -> Pilots:
    place = [grid.strata.index(str(pure_stratum(run))) for run in runs]
    weights = np.array([study.target.weights.get(name, 0.0) for name in grid.strata])
    risks = np.array([[run.tests[name].mean for name in grid.strata] for run in runs])
    base = [study.base_tests[name].mean for name in grid.strata if name in study.base_tests]
    known = len(base) == grid.n_strata
    return Pilots(
        difficulty=grid.difficulties[place],
        budget=np.array([run.budget for run in runs], dtype=np.float64),
        seed=np.array([run.seed for run in runs]),
        stratum_risk=risks,
        n_test=grid.n_slices.astype(np.int64),
        target_weights=weights,
        target_risk=np.array([weighted_risk(r.tests, study.target.weights, None)[0] for r in runs]),
        empirical_risk=np.array([run.empirical_risk for run in runs]),
        kl=np.array([max(run.kl, 0.01) for run in runs]),
        strata=grid.difficulties,
        base_stratum_risk=np.array(base) if known else np.full(grid.n_strata, np.nan),
        base_target_risk=float(np.array(base) @ weights) if known else math.nan,
    )
