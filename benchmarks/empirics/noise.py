"""How far a mean over a few seeds may be off: noise between seeds, and intervals made from it.

Three seeds drawn with replacement take ten values, and the spread within one cell of three runs is
hardly known. So each cell's spread is a mean of its own and of that of all cells of the study, and
replicates add normal noise of that spread to the runs (a parametric bootstrap over seeds). All runs
of a study are measured on the same files: intervals are over fine-tunes, given the files.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

LEVEL = 0.9
REPLICATES = 2000
BORROWED = 2.0
"""Degrees of freedom that each cell's variance takes from all cells; three seeds have two own."""


@dataclass(frozen=True, kw_only=True)
class Measure:
    """A number and its interval, which is NaN where nothing tells the noise.

    Attributes:
        value: The number.
        low: Lower end of the interval.
        high: Upper end.
    """

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        if np.isnan(self.value):
            return "-"
        if np.isnan(self.low):
            return f"{self.value:.3g} [?]"
        return f"{self.value:.3g} [{self.low:.3g}, {self.high:.3g}]"


def measure(value: float, replicates: ArrayLike, level: float = LEVEL) -> Measure:
    """A value with the quantiles of its replicates."""
    low, high = np.quantile(np.asarray(replicates), [(1 - level) / 2, (1 + level) / 2])
    return Measure(value=float(value), low=float(low), high=float(high))


def spread_of_risk(risk: Floats, n_test: ArrayLike) -> Floats:
    """Standard deviation of one run's risk in each cell, shape (...) of risk's (..., seeds).

    It is taken to be in proportion to √(R(1 − R)) where it is borrowed. Where no cell has two
    seeds, it is that of a mean of `n_test` 0-1 losses, and what seeds add is not known.
    """
    mean = _mean(risk)
    scale = np.maximum(mean * (1 - mean), 1e-4)
    found = _spread(risk, scale)
    alone: Floats = np.sqrt(scale / np.asarray(n_test, dtype=np.float64))
    return alone if np.all(np.isnan(found)) else found


def spread_of_logs(values: Floats) -> Floats:
    """The same of logarithms, whose spread is borrowed as it is; NaN if no cell has two seeds."""
    return _spread(values, np.ones(values.shape[:-1]))


def _spread(values: Floats, scale: Floats) -> Floats:
    """Standard deviation of one run in each cell; NaN if no cell has two seeds."""
    squares = np.nansum((values - _mean(values)[..., None]) ** 2, axis=-1)
    freedom = np.maximum(np.sum(~np.isnan(values), axis=-1) - 1, 0)
    if not np.any(freedom):
        return np.full(scale.shape, np.nan)
    with np.errstate(invalid="ignore"):
        common = np.nansum(np.where(freedom, squares / scale, 0)) / freedom.sum()
    found: Floats = np.sqrt((BORROWED * common * scale + squares) / (BORROWED + freedom))
    return found


def _mean(values: Floats) -> Floats:
    """Mean over seeds, NaN where there are none."""
    count = np.sum(~np.isnan(values), axis=-1)
    total = np.nansum(values, axis=-1)
    found: Floats = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return found


def mean_over_seeds(values: Floats) -> Floats:
    """Mean over the last axis of the runs there are."""
    return _mean(values)


def replicates(
    values: Floats, spread: Floats, *, seed: int = 0, number: int = REPLICATES
) -> Floats:
    """Copies of all runs with fresh noise, shape (number, ..., seeds).

    Args:
        values: Shape (..., seeds).
        spread: Of one run in each cell, shape (...).
        seed: Of the noise.
        number: Of copies.
    """
    noise = np.random.default_rng([29, seed]).standard_normal((number, *values.shape))
    found: Floats = values + spread[..., None] * noise
    return found


def intervals_of_means(values: Floats, spread: Floats, level: float = LEVEL) -> Floats:
    """Lower and upper ends of the means over seeds, shape (2, ...) for values of (..., seeds)."""
    tails = [(1 - level) / 2, (1 + level) / 2]
    found: Floats = np.quantile(mean_over_seeds(replicates(values, spread)), tails, axis=0)
    return found


def best_of_others(judged: Floats) -> NDArray[np.intp]:
    """For each seed the arm that is best for the other seeds, shape (budgets, seeds).

    With one seed it is the best for that one.

    Args:
        judged: Risks of shape (arms, budgets, seeds).
    """
    seeds = judged.shape[-1]
    found = []
    for column in range(seeds):
        others = np.delete(judged, column, axis=2) if seeds > 1 else judged
        means = mean_over_seeds(others)
        # an arm without a run of another seed cannot be chosen, unless none can
        found.append(np.where(np.isnan(means), np.inf, means).argmin(axis=0))
    return np.stack(found, axis=1)
