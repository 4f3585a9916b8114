"""Pilot runs gathered into cells of one difficulty and one budget, and how noisy each cell is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pacbayes.errors import InputError

Floats = NDArray[np.float64]
Integers = NDArray[np.intp]


@dataclass(frozen=True, kw_only=True)
class Cells:
    """Runs by difficulty and budget; a cell's runs differ by seed.

    Attributes:
        difficulties: Those that occur, increasing, shape (D,).
        budgets: Those that occur, increasing, shape (N,).
        place: Index of each cell's difficulty, shape (cells,).
        budget: Budget of each cell, shape (cells,).
        mean: Mean measured risk of its runs, shape (cells,).
        n_runs: Number of its runs, shape (cells,).
        test_share: Variance of `mean` from finite tests is this times R(1 − R), shape (cells,).
        run_cell: Cell of each run, shape (runs,).
        run_risk: Measured risk of each run, shape (runs,).
        run_n_test: Number of units it was measured on, shape (runs,).
    """

    difficulties: Floats
    budgets: Floats
    place: Integers
    budget: Floats
    mean: Floats
    n_runs: Integers
    test_share: Floats
    run_cell: Integers
    run_risk: Floats
    run_n_test: Floats

    @property
    def degrees_of_freedom(self) -> int:
        """Runs beyond the first of each cell: what tells seeds' noise from a curve's misfit."""
        return int(np.sum(self.n_runs - 1))

    def variance(self, risk: Floats, seed_correlation: float | Floats) -> Floats:
        """Return the variance of each cell's mean, if the risks are `risk`: finite tests and seeds.

        A run's measured risk has variance R(1 − R)(1/n_test + ρ), ρ the correlation that two test
        outcomes of one run have because they share its seed. For graded losses in [0, 1] this is
        an upper bound at given ρ.
        """
        return risk * (1 - risk) * (self.test_share + seed_correlation / self.n_runs)

    def smoothed_mean(self) -> Floats:
        """Return the means with half an error added each way, which keeps them off 0 and 1."""
        n = 1 / self.test_share
        return (self.mean * n + 0.5) / (n + 1)

    def seed_correlation(self, risk: Floats) -> float:
        """Return the moment estimate of ρ from repeated cells, at least 0; 0 without any."""
        if not self.degrees_of_freedom:
            return 0.0
        weight = (risk * (1 - risk))[self.run_cell]
        scatter = np.sum((self.run_risk - self.mean[self.run_cell]) ** 2)
        kept = 1 - 1 / self.n_runs[self.run_cell]
        from_tests = np.sum(weight * kept / self.run_n_test)
        return float(max(0.0, scatter - from_tests) / np.sum(weight * kept))


def cells(*, difficulty: ArrayLike, budget: ArrayLike, risk: ArrayLike, n_test: ArrayLike) -> Cells:
    """Gather runs into cells.

    Args:
        difficulty: Of each run's training data, finite, at least two different; shape (runs,).
        budget: Independent units trained on, positive; shape (runs,).
        risk: Measured target risk in [0, 1]; shape (runs,).
        n_test: Independent units it was measured on, at least 1; shape (runs,), or one for all.

    Raises:
        InputError: Arrays of different length, a value outside its domain, or one difficulty only.
    """
    d, n, y = (
        _column(v, name)
        for v, name in ((difficulty, "difficulty"), (budget, "budget"), (risk, "risk"))
    )
    if not len(d) == len(n) == len(y):
        raise InputError(
            "`difficulty`, `budget` and `risk` must have one entry a run, got "
            f"{len(d)}, {len(n)} and {len(y)}."
        )
    m = _column(np.broadcast_to(np.asarray(n_test, dtype=np.float64), d.shape), "n_test")
    _require(n > 0, n, "budget", "be positive; a budget counts training units")
    _require((y >= 0) & (y <= 1), y, "risk", "lie in [0, 1]; the usual mistake is a percentage")
    _require(m >= 1, m, "n_test", "be at least 1")
    difficulties, place = np.unique(d, return_inverse=True)
    if len(difficulties) < 2:
        raise InputError(
            f"all runs have difficulty {d[0]:g}; which difficulty is best needs at least two."
        )
    budgets, column = np.unique(n, return_inverse=True)
    keys, run_cell = np.unique(place * len(budgets) + column, return_inverse=True)
    n_runs = np.bincount(run_cell)
    return Cells(
        difficulties=difficulties,
        budgets=budgets,
        place=keys // len(budgets),
        budget=budgets[keys % len(budgets)],
        mean=np.bincount(run_cell, y) / n_runs,
        n_runs=n_runs,
        test_share=np.bincount(run_cell, 1 / m) / n_runs**2,
        run_cell=run_cell,
        run_risk=y,
        run_n_test=m,
    )


def resampled_means(
    data: Cells, variance: Floats, *, by_seed: bool, n_fits: int, rng: np.random.Generator
) -> Floats:
    """Return bootstrap copies of the cells' means, shape (n_fits, cells).

    By seed, each cell's runs are drawn with replacement; deviations from the cell's mean are
    stretched by √(s/(s − 1)), since s draws from s runs scatter less than s new runs do. Otherwise
    normal noise of the given variance is added.

    Args:
        data: The runs.
        variance: Of each cell's mean.
        by_seed: Which of the two.
        n_fits: Number of copies.
        rng: Source of randomness.
    """
    if not by_seed:
        return data.mean + np.sqrt(variance) * rng.standard_normal((n_fits, len(variance)))
    copies = np.empty((n_fits, len(variance)))
    for i, (mean, s) in enumerate(zip(data.mean, data.n_runs, strict=True)):
        drawn = rng.choice(data.run_risk[data.run_cell == i], size=(n_fits, s)).mean(axis=1)
        copies[:, i] = mean + np.sqrt(s / (s - 1)) * (drawn - mean)
    return copies


def _column(values: ArrayLike, name: str) -> Floats:
    column = np.asarray(values, dtype=np.float64)
    if column.ndim != 1 or not len(column):
        raise InputError(f"`{name}` must be a list of numbers, one a run, got {column.tolist()!r}.")
    _require(np.isfinite(column), column, name, "be finite")
    return column


def _require(valid: NDArray[np.bool_], values: Floats, name: str, constraint: str) -> None:
    if not np.all(valid):
        i = int(np.argmin(valid))
        raise InputError(f"`{name}` must {constraint}; got {values[i]:g} in run {i}.")
