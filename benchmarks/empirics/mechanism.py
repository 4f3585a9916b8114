"""The paper's mechanism: KL rises with difficulty, the measured extrapolation gap falls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.empirics.grid import Grid, pure_stratum
from benchmarks.empirics.noise import (
    Measure,
    mean_over_seeds,
    measure,
    replicates,
    spread_of_logs,
)
from benchmarks.empirics.ranks import spearman
from benchmarks.empirics.studies import Study
from pacbayes.planning.kl_growth import KlGrowth, kl_growth

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Trend:
    """How something changes with difficulty at a fixed budget.

    Attributes:
        rises: Share of the pairs of neighbouring strata, over all budgets, in which it rises.
        rank: Rank correlation with difficulty, mean over budgets.
        change: Of the hardest less of the easiest stratum, mean over budgets.
    """

    rises: Measure
    rank: Measure
    change: Measure


@dataclass(frozen=True, kw_only=True)
class Mechanism:
    """What makes the best difficulty interior, according to the paper.

    Attributes:
        growth: How KL grows with the budget.
        kl: How ln KL changes with difficulty.
        gap: How target risk less risk on the training stratum changes with difficulty.
    """

    growth: KlGrowth
    kl: Trend
    gap: Trend


def mechanism_of(study: Study, grid: Grid) -> Mechanism:
    """Measure both trends, and the exponent of KL."""
    pure = [run for run in study.found.runs if pure_stratum(run)]
    return Mechanism(
        growth=kl_growth(
            difficulty=[grid.difficulties[grid.strata.index(str(pure_stratum(r)))] for r in pure],
            budget=[run.budget for run in pure],
            kl=[max(run.kl, 0.01) for run in pure],
        ),
        kl=_trend(grid.log_kl[grid.pure]),
        gap=_trend(grid.target[grid.pure] - grid.own()),
    )


def verdict_of(trend: Trend, *, rises: bool) -> str:
    """Whether a trend has the sign it should have: holds, fails or cannot be told."""
    low, high = trend.rank.low, trend.rank.high
    if not rises:
        low, high = -high, -low
    return "holds" if low > 0 else "fails" if high < 0 else "cannot be told"


def _trend(values: Floats) -> Trend:
    """Of values of shape (D, budgets, seeds)."""
    copies = replicates(values, spread_of_logs(values))
    means = np.stack([mean_over_seeds(values), *mean_over_seeds(copies)])

    def told(statistic: Callable[[Floats], Floats]) -> Measure:
        found = statistic(means)
        if np.isnan(copies).all():  # one seed: nothing tells the noise
            return Measure(value=float(found[0]), low=np.nan, high=np.nan)
        return measure(float(found[0]), found[1:])

    return Trend(
        rises=told(lambda m: np.mean(np.diff(m, axis=1) > 0, axis=(1, 2))),
        rank=told(_rank),
        change=told(lambda m: (m[:, -1] - m[:, 0]).mean(axis=1)),
    )


def _rank(means: Floats) -> Floats:
    found: Floats = spearman(np.arange(means.shape[1]), means.swapaxes(1, 2)).mean(axis=1)
    return found
