"""Whether pilot runs contradict the family of learning curves that forecasts rest on.

Two statistics, each compared with its values in runs simulated from the fits: the misfit of all
cells against the noise of tests and seeds, and how far the runs at the largest budget lie from what
those at smaller budgets predict for them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pacbayes.errors import InputError
from pacbayes.learning_curves import LearningCurves
from pacbayes.learning_curves.fit import solve

Floats = NDArray[np.float64]

MIN_BUDGETS = 3
"""Budgets for the second statistic: two must be left to see a curve bend."""


@dataclass(frozen=True, kw_only=True)
class Misspecification:
    """A test of the curves' family; a small p-value speaks against it, a large one not for it.

    Attributes:
        statistic: The misfit, Σ (mean − fit)²/variance over cells.
        p_value: Of both statistics together (Bonferroni); None if neither can be tested.
        misfit_p_value: Of the misfit; None if no cell has two seeds.
        held_out_p_value: Of the forecast of the largest budget; None with fewer than three.
        warning: What the small p-value means; None above the level.
    """

    statistic: float
    p_value: float | None
    misfit_p_value: float | None
    held_out_p_value: float | None
    warning: str | None


def misspecification(
    fitted: LearningCurves, *, level: float = 0.05, n_simulations: int = 1000, seed: int = 0
) -> Misspecification:
    """Test the family of curves by a parametric bootstrap.

    Each simulation takes its true curves from one of the fits, so that the prior's pull on the fit
    is in the simulations too, and an error of the estimated noise like that of the runs. Without
    repeated cells misfit cannot be told from seeds' noise, and only the second statistic is tested.

    Args:
        fitted: The curves and their runs.
        level: Probability of a warning where the curves hold, about; in (0, 1).
        n_simulations: Number of simulated sets of runs, at least 2 / level.
        seed: Of the simulation.

    Raises:
        InputError: `level` outside (0, 1), or too few simulations to reach it.
    """
    if not 0 < level < 1 or n_simulations * level < 2:
        raise InputError(
            f"`level` must lie in (0, 1) with 2 / level simulations, got {level:g} and "
            f"{n_simulations}."
        )
    runs = _observed_and_simulated(fitted, n_simulations, seed)
    misfit = _misfit(fitted, runs)
    misfit_p = _p_value(misfit) if fitted.data.degrees_of_freedom else None
    held_out_p = None
    if len(fitted.data.budgets) >= MIN_BUDGETS:
        held_out_p = _p_value(_surprise(_errors_at_largest(fitted, runs)))
    tested = [p for p in (misfit_p, held_out_p) if p is not None]
    p_value = min(1.0, len(tested) * min(tested)) if tested else None
    return Misspecification(
        statistic=float(misfit[0]),
        p_value=p_value,
        misfit_p_value=misfit_p,
        held_out_p_value=held_out_p,
        warning=_warning(p_value, level),
    )


@dataclass(frozen=True, kw_only=True)
class _Runs:
    """Cells' means, their estimated variances and where to start fits: observed, then simulated."""

    means: Floats
    variance: Floats
    start: Floats


def _observed_and_simulated(fitted: LearningCurves, n: int, seed: int) -> _Runs:
    rng = np.random.default_rng(seed)
    data, freedom = fitted.data, fitted.seed_freedom
    z = np.concatenate([fitted.z[None], fitted.z_fits[np.arange(n) % len(fitted.z_fits)]])
    risk = fitted.coordinates.risk(z, data.place, data.budget)[0]
    noise = np.sqrt(data.variance(risk, fitted.seed_correlation)) * rng.standard_normal(risk.shape)
    errors = np.concatenate([[1.0], rng.chisquare(freedom, n) / freedom])
    estimated = data.variance(risk, fitted.seed_correlation * errors[:, None])
    means = np.concatenate([data.mean[None], (risk + noise)[1:]])
    return _Runs(means=means, variance=estimated, start=z)


def _misfit(fitted: LearningCurves, runs: _Runs) -> Floats:
    solution = solve(fitted.coordinates, fitted.data, runs.means, runs.variance, runs.start)
    misfit: Floats = np.sum(solution.residuals**2, axis=1)
    return misfit


def _errors_at_largest(fitted: LearningCurves, runs: _Runs) -> Floats:
    """Return means at the largest budget less what a fit without them predicts, (sets, cells)."""
    data = fitted.data
    last = data.budget == data.budgets[-1]
    smaller = replace(data, place=data.place[~last], budget=data.budget[~last])
    z = solve(
        fitted.coordinates, smaller, runs.means[:, ~last], runs.variance[:, ~last], runs.start
    ).x
    return runs.means[:, last] - fitted.coordinates.risk(z, data.place[last], data.budget[last])[0]


def _surprise(errors: Floats) -> Floats:
    """Return squared distances from the simulated errors' mean, in their covariance."""
    centred = errors - errors[1:].mean(axis=0)
    covariance = np.atleast_2d(np.cov(centred[1:], rowvar=False))
    surprise: Floats = np.sum(centred * np.linalg.solve(covariance, centred.T).T, axis=1)
    return surprise


def _p_value(statistics: Floats) -> float:
    """Return the share of the simulated values, and the observed one, at or above the observed."""
    return float(np.mean(statistics >= statistics[0]))


def _warning(p_value: float | None, level: float) -> str | None:
    if p_value is None or p_value > level:
        return None
    return (
        f"The runs contradict the family of learning curves (p = {p_value:.3g}); forecasts beyond "
        "the largest budget and their intervals are not to be relied on."
    )
