"""Fitting learning curves to pilot runs, with the fits that the runs' noise leaves possible."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, logit

from pacbayes.errors import InputError
from pacbayes.learning_curves.caveats import assumptions, unknown
from pacbayes.learning_curves.cells import Cells, Floats, Integers, cells, resampled_means
from pacbayes.learning_curves.coordinates import Coordinates, coordinates
from pacbayes.learning_curves.curves import Curves
from pacbayes.learning_curves.least_squares import Solution, penalized_least_squares
from pacbayes.learning_curves.misfit import degrees_of_freedom, misfit_spread, misfit_variance

UNSEEN_BASE_SPREAD = 1.0
"""Spread of logit r₀ where the base model was not measured."""

MIN_SEEDS = 4
"""Runs a cell needs for its own scatter to be worth resampling; else that of all is pooled."""

ROUNDS = 3
"""Fits at variances recomputed from the fit before; a fourth moves the misfit by some 1 %."""


@dataclass(frozen=True, kw_only=True)
class LearningCurves:
    """Curves fitted to pilot runs. What they say of other budgets is a forecast.

    Attributes:
        best: The penalised fit to the runs as they are; one fit.
        fits: Fits to resampled runs with the prior's centre redrawn for each: samples of the
            posterior if the model were linear, close to it otherwise. Where the runs misfit, each
            fit's asymptotes are moved too, out of their order if need be.
        data: The runs.
        coordinates: In which the fits were made.
        z: The best fit's coordinates, shape (size,).
        z_fits: Those of the fits, shape (fits, size).
        variance: Variance of each cell's mean by tests and seeds, shape (cells,).
        misfit: τ, the spread of logit risk by which cells lie off the curves beyond that noise; 0
            where noise explains them all, and without repeated seeds.
        seed_correlation: ρ, see `Cells.variance`.
        seed_freedom: Degrees of freedom that ρ was estimated from.
        converged: Share of the fits that converged.
        unknown: Sentences on what these runs cannot tell.
        assumptions: Sentences on what the forecasts rest on.
    """

    best: Curves
    fits: Curves
    data: Cells
    coordinates: Coordinates
    z: Floats
    z_fits: Floats
    variance: Floats
    misfit: float
    seed_correlation: float
    seed_freedom: float
    converged: float
    unknown: tuple[str, ...]
    assumptions: tuple[str, ...]


def fit_learning_curves(
    *,
    difficulty: ArrayLike,
    budget: ArrayLike,
    risk: ArrayLike,
    n_test: ArrayLike,
    base_risk: float | None,
    n_base: int | None = None,
    n_fits: int = 1000,
    seed: int = 0,
    monotone: bool = True,
    by_seed: bool | None = None,
) -> LearningCurves:
    """Fit R(d, n) = c_d + (r₀ − c_d)/(1 + (n/k_d)^g) to pilot runs, weighted and penalised.

    Each cell (difficulty × budget) weighs by the inverse of its variance: finite tests, and seeds
    as far as they scatter. A wide normal prior (`coordinates`) stands in for what the runs do not
    tell, such as asymptotes far below the observed risks.

    Where the curves miss cells by more than their noise, that misfit (`learning_curves.misfit`) is
    carried: it lowers the weight of precise cells, is added to the noise of the bootstrap, and
    moves logit c_d of each fit and difficulty by as much, since what is off where it was seen is
    at least as far off where it was not.

    Args:
        difficulty: Of each run's training data; shape (runs,).
        budget: Independent units trained on; shape (runs,).
        risk: Measured target risk in [0, 1]; shape (runs,).
        n_test: Units it was measured on; shape (runs,), or one for all.
        base_risk: The base model's risk on the target, None if it was not measured.
        n_base: Units that it was measured on; None if it is known exactly.
        n_fits: Number of bootstrap fits, at least 2.
        seed: Of the bootstrap.
        monotone: Whether c_d falls and k_d rises with d; free for a part of the target.
        by_seed: Whether to resample the runs of each cell, which must then have two or more; by
            default if each has `MIN_SEEDS`. Otherwise noise of the pooled variance is added.

    Raises:
        InputError: See `cells`; also a base risk outside [0, 1], or 0 or 1 and called exact.
    """
    data = cells(difficulty=difficulty, budget=budget, risk=risk, n_test=n_test)
    start, spread = _base(data, base_risk, n_base)
    space = coordinates(
        difficulties=data.difficulties,
        mean_log_budget=float(np.mean(np.log(data.budgets))),
        monotone=monotone,
        base_risk=start,
        base_risk_spread=spread,
    )
    found = weighted_fit(data, space)
    rng = np.random.default_rng(seed)
    fits = _bootstrap(data, space, found, _resampling(data, by_seed), n_fits, rng)
    return LearningCurves(
        best=space.curves(found.z[None]),
        fits=_astray(space.curves(fits.x), found.misfit, rng),
        data=data,
        coordinates=space,
        z=found.z,
        z_fits=fits.x,
        variance=found.variance,
        misfit=found.misfit,
        seed_correlation=found.seed_correlation,
        seed_freedom=found.seed_freedom,
        converged=float(np.mean(fits.converged)),
        unknown=tuple(unknown(data, space, fits.x, base_risk)),
        assumptions=tuple(assumptions(monotone, found.misfit)),
    )


@dataclass(frozen=True, kw_only=True)
class WeightedFit:
    """Best coordinates and the variances that they were found with; see `LearningCurves`."""

    z: Floats
    risk: Floats
    variance: Floats
    misfit: float
    seed_correlation: float
    seed_freedom: float

    @property
    def total_variance(self) -> Floats:
        """Variance of each cell's mean about the curve, by noise and misfit."""
        return self.variance + misfit_variance(self.risk, self.misfit)


def weighted_fit(data: Cells, space: Coordinates) -> WeightedFit:
    """Return the best fit and the variances of the cells, refitted in turns.

    Without repeated seeds ρ is what scatter about the fitted curves exceeds that of finite tests,
    and there is no misfit to be seen beside it.
    """
    z, risk, misfit = np.zeros(space.size), data.smoothed_mean(), 0.0
    correlation, freedom = 0.0, float(data.degrees_of_freedom)
    for _ in range(ROUNDS):
        if data.degrees_of_freedom:
            correlation = data.seed_correlation(risk)
        total = data.variance(risk, correlation) + misfit_variance(risk, misfit)
        solution = solve(space, data, data.mean[None], total[None], z[None])
        z = solution.x[0]
        risk = space.risk(z[None], data.place, data.budget)[0][0]
        cells_freedom = degrees_of_freedom(solution.jacobian[0])
        if data.degrees_of_freedom:
            noise = data.variance(risk, correlation)
            misfit = misfit_spread(data.mean - risk, noise, risk, cells_freedom)
        else:
            correlation = _correlation_from_misfit(data, risk, cells_freedom)
            freedom = cells_freedom
    return WeightedFit(
        z=z,
        risk=risk,
        variance=data.variance(risk, correlation),
        misfit=misfit,
        seed_correlation=correlation,
        seed_freedom=freedom,
    )


def solve(
    space: Coordinates,
    data: Cells,
    means: Floats,
    variance: Floats,
    start: Floats,
    centre: Floats | None = None,
) -> Solution:
    """Fit a batch of copies of the cells' means.

    Args:
        space: Coordinates.
        data: The cells.
        means: Shape (fits, cells).
        variance: Of each mean; broadcasts with `means`.
        start: Coordinates to start from, shape (fits, size).
        centre: Centre of each fit's prior, shape (fits, size); 0 by default.
    """
    weight = 1 / np.sqrt(np.broadcast_to(variance, means.shape))

    def residuals(z: Floats, rows: Integers) -> tuple[Floats, Floats]:
        risk, jacobian = space.risk(z, data.place, data.budget)
        return (risk - means[rows]) * weight[rows], jacobian * weight[rows][:, :, None]

    return penalized_least_squares(
        residuals, start, np.zeros_like(start) if centre is None else centre
    )


def _correlation_from_misfit(data: Cells, risk: Floats, freedom: float) -> float:
    """Return ρ such that tests and seeds explain the misfit."""
    misfit = np.sum((data.mean - risk) ** 2 / data.variance(risk, 0.0))
    return float(max(0.0, misfit / freedom - 1) * np.mean(data.test_share))


def _bootstrap(
    data: Cells,
    space: Coordinates,
    found: WeightedFit,
    by_seed: bool,
    n_fits: int,
    rng: np.random.Generator,
) -> Solution:
    """Fit resampled runs, each under a prior centred at a draw from the prior.

    Redrawing the centre is what leaves the prior's full spread to directions that the runs do not
    determine; a fixed centre would pull all fits to one guess (randomised maximum likelihood:
    Oliver, He & Reynolds 1996).
    """
    means = resampled_means(data, found.variance, by_seed=by_seed, n_fits=n_fits, rng=rng)
    centre = rng.standard_normal((n_fits, space.size))
    off = np.sqrt(misfit_variance(found.risk, found.misfit)) * rng.standard_normal(means.shape)
    start = np.tile(found.z, (n_fits, 1))
    return solve(space, data, means + off, found.total_variance, start, centre)


def _astray(fits: Curves, misfit: float, rng: np.random.Generator) -> Curves:
    """Return curves whose logit c_d is off by the misfit, each by its own amount."""
    off = misfit * rng.standard_normal(fits.asymptote.shape)
    return replace(fits, asymptote=expit(logit(fits.asymptote) + off)) if misfit else fits


def _base(data: Cells, base_risk: float | None, n_base: int | None) -> tuple[float, float]:
    """Return r₀ and the standard error of its logit."""
    if base_risk is None:
        return float(expit(logit(np.max(data.smoothed_mean())) + 0.5)), UNSEEN_BASE_SPREAD
    if not 0 <= base_risk <= 1:
        raise InputError(f"`base_risk` must lie in [0, 1], got {base_risk:g}.")
    if n_base is not None:
        if n_base < 1:
            raise InputError(f"`n_base` must be at least 1, got {n_base}.")
        smoothed = (base_risk * n_base + 0.5) / (n_base + 1)
        return smoothed, 1 / float(np.sqrt(n_base * smoothed * (1 - smoothed)))
    if base_risk in (0, 1):
        raise InputError(
            f"`base_risk` is {base_risk:g} and called exact; give `n_base`, the units it was "
            "measured on."
        )
    return base_risk, 0.0


def _resampling(data: Cells, by_seed: bool | None) -> bool:
    fewest = int(np.min(data.n_runs))
    if by_seed and fewest < 2:
        raise InputError("runs can be resampled by seed only if each cell has two or more.")
    return fewest >= MIN_SEEDS if by_seed is None else by_seed
