"""Certificates of a study beside the measured risks: do they order the cells, and do they hold?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

from benchmarks.empirics.choices import Choices
from benchmarks.empirics.grid import Grid, pure_stratum
from benchmarks.empirics.noise import (
    Measure,
    mean_over_seeds,
    measure,
    replicates,
    spread_of_risk,
)
from benchmarks.empirics.ranks import spearman
from benchmarks.empirics.studies import Study
from pacbayes.confidence.kl import kl_lower
from pacbayes.planning.certified import certified_runs
from pacbayes.planning.pilots import pilots_of
from pacbayes.runs import Run

Floats = NDArray[np.float64]

CLEAR = 0.99
"""Level of the lower bound of a measured risk that must lie above a certificate to refute it."""


@dataclass(frozen=True, kw_only=True)
class Ranks:
    """Rank correlation with the true target risk over the cells of single strata.

    Attributes:
        cells: Number of cells.
        bound: Of the certificate's upper end plus the measured gap's.
        vacuous: Share of the cells in which that sum is 1 or more, and bounds nothing.
        certificate: Of the certificate's upper end alone.
        plan: Of the risk that the plan predicts from pilots.
        plan_pilots: The same over the cells of the pilots.
        plan_beyond: The same over the other cells.
    """

    cells: int
    bound: Measure
    vacuous: float
    certificate: Measure
    plan: Measure
    plan_pilots: Measure
    plan_beyond: Measure


@dataclass(frozen=True, kw_only=True)
class Violations:
    """Certificates against the measured risk of the same predictor on its own training mixture.

    Attributes:
        certificates: How many.
        below: Share whose upper end is below the measured risk.
        clearly_below: Share whose upper end is below a lower bound of the risk, at `level` each.
        level: Of that bound.
        delta: What a certificate promises to fail with at most.
    """

    certificates: int
    below: float
    clearly_below: float
    level: float
    delta: float


def ranks_of(study: Study, grid: Grid, chosen: Choices, pilots: Sequence[int]) -> Ranks:
    """Correlate over all cells of single strata; the intervals are of the truth's noise alone."""
    runs = grid.target[grid.pure]
    truth = mean_over_seeds(runs)
    copies = mean_over_seeds(replicates(runs, spread_of_risk(runs, grid.n_target)))
    bound, certificate = _upper_ends(study, grid)
    early = np.broadcast_to(np.isin(grid.budgets, pilots), truth.shape)

    def correlation(values: Floats, cells: NDArray[np.bool_]) -> Measure:
        if not cells.any():
            return Measure(value=np.nan, low=np.nan, high=np.nan)
        found = spearman(values[cells], truth[cells])
        return measure(float(found), spearman(values[cells], copies[:, cells]))

    every = np.ones_like(early)
    return Ranks(
        cells=truth.size,
        bound=correlation(bound, every),
        vacuous=float(np.mean(bound >= 1)),
        certificate=correlation(certificate, every),
        plan=correlation(chosen.predicted, every),
        plan_pilots=correlation(chosen.predicted, early),
        plan_beyond=correlation(chosen.predicted, ~early),
    )


def _upper_ends(study: Study, grid: Grid) -> tuple[Floats, Floats]:
    """Mean over seeds of certificate and gap added up, and of the certificate, (D, budgets)."""
    pure = [run for run in study.found.runs if pure_stratum(run) and run.budget in grid.budgets]
    certified = certified_runs(
        pilots_of(pure, study.target), study.target, shared_strata=False, level=0.9
    )
    shape = (grid.n_strata, len(grid.budgets), len(grid.seeds))
    bound, certificate = np.full(shape, np.nan), np.full(shape, np.nan)
    for each in certified:
        run = each.run
        at = (
            grid.strata.index(str(pure_stratum(run))),
            grid.budgets.index(run.budget),
            grid.seeds.index(run.seed),
        )
        bound[at], certificate[at] = each.bound[1], run.risk_bound[1]
    return mean_over_seeds(bound), mean_over_seeds(certificate)


def violations_of(studies: Sequence[Study], level: float = CLEAR) -> Violations:
    """Hold every certificate of some studies against its own test, mixtures' among them."""
    runs = [run for study in studies for run in study.found.runs]
    upper = np.array([run.risk_bound[1] for run in runs])
    own = [_own(run, level) for run in runs]
    return Violations(
        certificates=len(runs),
        below=float(np.mean([mean > u for (mean, _), u in zip(own, upper, strict=True)])),
        clearly_below=float(np.mean([low > u for (_, low), u in zip(own, upper, strict=True)])),
        level=level,
        delta=max(run.delta for run in runs),
    )


def _own(run: Run, level: float) -> tuple[float, float]:
    """Measured risk on the run's own training mixture, and a lower bound of the true one."""
    weights = {name: weight for name, weight in run.train_weights.items() if weight > 0}
    # the bounds of all strata hold together
    failure = (1 - level) / len(weights)
    mean = sum(weight * run.tests[name].mean for name, weight in weights.items())
    low = sum(
        weight * lower_bound(run.tests[name].mean, run.tests[name].n, failure, run.loss)
        for name, weight in weights.items()
    )
    return mean, low


def lower_bound(mean: float, n: int, failure: float, loss: str) -> float:
    """Lower bound of a risk: Clopper and Pearson's for the 0-1 loss, else the kl bound.

    >>> round(lower_bound(0.5, 10, 0.05, "exact"), 4)
    0.2224
    """
    if loss != "exact":
        return float(kl_lower(mean=mean, n_draws=n, delta=failure))
    errors = round(mean * n)
    return float(beta.ppf(failure, errors, n - errors + 1)) if errors else 0.0
