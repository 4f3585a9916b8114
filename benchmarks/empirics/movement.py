"""Which way the best difficulty moves with the budget: as measured, and as the plan predicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.empirics.choices import Choices, pilots_of
from benchmarks.empirics.grid import Grid
from benchmarks.empirics.noise import (
    LEVEL,
    Measure,
    mean_over_seeds,
    measure,
    replicates,
    spread_of_risk,
)
from benchmarks.empirics.ranks import spearman
from benchmarks.empirics.studies import Study
from pacbayes.planning.forecast import fit_forecaster
from pacbayes.planning.optimum import best_by_fit
from pacbayes.planning.pilots import pilots_of as arrays_of

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Movement:
    """Rank correlation of the best stratum with the budget, 0 where it is always the same one.

    Attributes:
        empirical: Of the least mean risk, with an interval over seeds.
        predicted: Of the plan's, with an interval over its bootstrap fits.
        empirical_interval: Where the empirically best difficulty lies, shape (budgets, 2).
        predicted_interval: Where the fits' best difficulty lies, shape (budgets, 2).
    """

    empirical: Measure
    predicted: Measure
    empirical_interval: Floats
    predicted_interval: Floats


def best_copies(grid: Grid) -> NDArray[np.intp]:
    """The best stratum in each replicate, shape (replicates, budgets)."""
    runs = grid.target[grid.pure]
    copies = mean_over_seeds(replicates(runs, spread_of_risk(runs, grid.n_target)))
    found: NDArray[np.intp] = copies.argmin(axis=1)
    return found


def movement_of(
    study: Study, grid: Grid, chosen: Choices, pilots: Sequence[int], n_fits: int = 1000
) -> Movement:
    """Correlate the best stratum with the budget, in the runs and in the fits to the pilots."""
    means = mean_over_seeds(grid.target[grid.pure])
    copies = best_copies(grid)
    arrays = arrays_of(pilots_of(study, pilots).runs, study.target)
    trained = np.unique(arrays.difficulty)
    fitted = fit_forecaster(arrays, trained, n_fits=n_fits, seed=0, level=LEVEL)
    fits = np.searchsorted(trained, best_by_fit(fitted.target_fits, grid.budgets))
    plan = chosen.places["plan"]
    return Movement(
        empirical=_ranked(means.argmin(axis=0), copies, grid),
        predicted=_ranked(plan, fits, grid),
        empirical_interval=_interval(grid.difficulties[copies]),
        predicted_interval=_interval(grid.difficulties[fits]),
    )


def _ranked(place: NDArray[np.intp], copies: NDArray[np.intp], grid: Grid) -> Measure:
    return measure(float(spearman(place, grid.budgets)), spearman(copies, grid.budgets))


def _interval(values: Floats) -> Floats:
    tails = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
    found: Floats = np.quantile(values, tails, axis=0, method="inverted_cdf").T
    return found
