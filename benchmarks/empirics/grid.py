"""A study's runs as arrays over arm, budget and seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.empirics.mixes import mixture_name
from benchmarks.empirics.studies import Study
from pacbayes.errors import InputError
from pacbayes.planning.pilots import weighted_risk
from pacbayes.runs import Run

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Grid:
    """What was measured; NaN where there is no run.

    An arm is a way to compose training data: the D strata alone, from easy to hard, then mixtures.
    Arrays have shape (arms, budgets, seeds).

    Attributes:
        strata: Names of the strata.
        difficulties: Mean difficulty of each stratum's training data, shape (D,).
        mixtures: Names of the mixtures.
        budgets: Increasing; only those at which every stratum was trained on.
        left_out: Other budgets that some runs have.
        seeds: Increasing.
        target: Risk on the target's own file.
        tested: Risk on the target from the test files of the strata, which choices are made by;
            the same as `target` where that was not measured.
        n_target: Number of units that `target` is a mean of.
        slices: Risk on each stratum's test file, shape (arms, budgets, seeds, D).
        n_slices: Number of units of each, shape (D,).
        log_kl: ln KL in nats.
    """

    strata: tuple[str, ...]
    difficulties: Floats
    mixtures: tuple[str, ...]
    budgets: tuple[int, ...]
    left_out: tuple[int, ...]
    seeds: tuple[int, ...]
    target: Floats
    tested: Floats
    n_target: float
    slices: Floats
    n_slices: Floats
    log_kl: Floats

    @property
    def n_strata(self) -> int:
        """D."""
        return len(self.strata)

    @property
    def pure(self) -> slice:
        """The arms that are single strata."""
        return slice(0, self.n_strata)

    def own(self) -> Floats:
        """Risk of each single stratum's runs on that stratum itself, shape (D, budgets, seeds)."""
        return np.stack([self.slices[k, :, :, k] for k in range(self.n_strata)])


def pure_stratum(run: Run) -> str | None:
    """The stratum that a run was trained on alone, if it was."""
    name, weight = max(run.train_weights.items(), key=lambda item: item[1])
    return name if weight > 1 - 1e-6 else None


def arm_of(run: Run, strata: tuple[str, ...]) -> str | None:
    """The arm of a run: its stratum, its mixture, or None for a mixture of no name."""
    return pure_stratum(run) or mixture_name(run.train_weights, strata, run.budget)


def target_risk(run: Run) -> float | None:
    """What was measured on the target's own file."""
    return None if run.target is None else run.target.mean


def grid_of(study: Study) -> Grid:
    """Place the runs of a study.

    Raises:
        InputError: A stratum has no runs, or no budget has all of them.
    """
    runs = study.found.runs
    named = [(arm, run) for run in runs if (arm := arm_of(run, study.strata)) is not None]
    trained = {arm for arm, _ in named}
    if missing := [name for name in study.strata if name not in trained]:
        raise InputError(f"no runs on {missing} alone.", path=study.found.path)
    mixtures = tuple(dict.fromkeys(arm for arm, _ in named if arm not in study.strata))
    arms = (*study.strata, *sorted(mixtures))
    budgets, left_out = _budgets(study, named)
    seeds = tuple(sorted({run.seed for run in runs}))
    shape = (len(arms), len(budgets), len(seeds))
    target, tested, log_kl = (np.full(shape, np.nan) for _ in range(3))
    slices = np.full((*shape, len(study.strata)), np.nan)
    for arm, run in named:
        if run.budget in budgets:
            at = arms.index(arm), budgets.index(run.budget), seeds.index(run.seed)
            tested[at], _ = weighted_risk(run.tests, study.target.weights, None)
            measured = target_risk(run)
            target[at] = tested[at] if measured is None else measured
            slices[at] = [run.tests[name].mean for name in study.strata]
            log_kl[at] = np.log(max(run.kl, 0.01))
    first = runs[0]
    return Grid(
        strata=study.strata,
        difficulties=_difficulties(study, named),
        mixtures=arms[len(study.strata) :],
        budgets=budgets,
        left_out=left_out,
        seeds=seeds,
        target=target,
        tested=tested,
        n_target=_n_target(first, study),
        slices=slices,
        n_slices=np.array([first.tests[name].n for name in study.strata], dtype=np.float64),
        log_kl=log_kl,
    )


def _budgets(study: Study, named: list[tuple[str, Run]]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    every = sorted({run.budget for run in study.found.runs})
    trained = {(arm, run.budget) for arm, run in named}
    complete = tuple(n for n in every if all((name, n) in trained for name in study.strata))
    if not complete:
        raise InputError("no budget has runs on every stratum alone.", path=study.found.path)
    return complete, tuple(n for n in every if n not in complete)


def _difficulties(study: Study, named: list[tuple[str, Run]]) -> Floats:
    means = [
        float(np.mean([run.difficulty for arm, run in named if arm == name]))
        for name in study.strata
    ]
    if np.any(np.diff(means) <= 0):
        raise InputError(
            f"the strata {list(study.strata)} must come from easy to hard, but their runs have "
            f"mean difficulties {[round(m, 3) for m in means]}.",
            path=study.found.path,
        )
    return np.array(means)


def _n_target(run: Run, study: Study) -> float:
    if run.target is not None:
        return float(run.target.n)
    return weighted_risk(run.tests, study.target.weights, None)[1]
