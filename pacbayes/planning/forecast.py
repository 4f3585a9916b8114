"""Forecasts of target risk and of the bound on it, over difficulty, for every bootstrap fit.

Everything at one budget is computed at once for all fits and difficulties, and budgets one after
the other: cost is linear in them, memory does not grow with them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from pacbayes.bounds import seeger_maurer
from pacbayes.learning_curves import Curves, LearningCurves, fit_learning_curves
from pacbayes.planning.kl_growth import KlGrowth, kl_growth
from pacbayes.planning.pilots import Pilots

Floats = NDArray[np.float64]

_LEAST_KL = 0.01
"""Nats: a KL of 0 has no logarithm, and less than this moves no bound."""

_KL_STREAM, _OWN_STREAM, _EMPIRICAL_STREAM = 1, 2, 3
"""Added to the seed, so that what is fitted on its own is resampled on its own."""


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """All fits at one budget; arrays have shape (fits, difficulties).

    Attributes:
        budget: The budget.
        target_risk: Predicted risk on the target.
        empirical_risk: Part of the bound.
        generalization_gap: Part of the bound: kl bound at the forecast KL, less empirical risk.
        extrapolation_gap: Part of the bound: predicted target risk less predicted risk on the
            training distribution.
    """

    budget: float
    target_risk: Floats
    empirical_risk: Floats
    generalization_gap: Floats
    extrapolation_gap: Floats

    @property
    def bound(self) -> Floats:
        """The sum of the parts."""
        return self.empirical_risk + self.generalization_gap + self.extrapolation_gap


@dataclass(frozen=True, kw_only=True)
class Forecaster:
    """What was fitted to the runs, on a grid of difficulties.

    Attributes:
        difficulties: The grid, shape (D,).
        target: Learning curves of the target risk.
        target_fits: Their bootstrap fits on the grid.
        own: Fits of the risk on the training distribution itself, on the grid.
        empirical: Fits of the empirical risk, on the grid.
        growth: How KL grows.
        log_kl: ln KL at the runs' mean budget, shape (D,).
        exponents: Of KL, shape (fits,).
        delta: Failure probability of the bound.
    """

    difficulties: Floats
    target: LearningCurves
    target_fits: Curves
    own: Curves
    empirical: Curves
    growth: KlGrowth
    log_kl: Floats
    exponents: Floats
    delta: float

    def at(self, budget: float) -> Forecast:
        """The forecasts at a budget."""
        target, own = self.target_fits.risk(budget), self.own.risk(budget)
        empirical = self.empirical.risk(budget)
        bound = seeger_maurer(
            empirical_risk=empirical, kl=self.kl(budget), n=round(budget), delta=self.delta
        )
        return Forecast(
            budget=budget,
            target_risk=target,
            empirical_risk=empirical,
            generalization_gap=np.asarray(bound) - empirical,
            extrapolation_gap=target - own,
        )

    def kl(self, budget: float) -> Floats:
        """Forecast KL in nats, shape (fits, D); as at the runs' budget if that is one only."""
        growth = np.log(budget / self.growth.reference_budget)
        kl: Floats = np.exp(self.log_kl + self.exponents[:, None] * growth)
        return kl


def fit_forecaster(
    pilots: Pilots, difficulties: Floats, *, n_fits: int, seed: int, level: float
) -> Forecaster:
    """Fit target risk, own risk, empirical risk and KL of the runs.

    Args:
        pilots: The runs.
        difficulties: The grid, within the runs' difficulties.
        n_fits: Number of bootstrap fits.
        seed: Of the bootstrap.
        level: Of KL growth's interval.

    Raises:
        InputError: The runs have one difficulty.
    """
    target = fit_learning_curves(
        difficulty=pilots.difficulty,
        budget=pilots.budget,
        risk=pilots.target_risk,
        n_test=pilots.n_target,
        base_risk=pilots.base_risk,
        n_base=pilots.n_base,
        n_fits=n_fits,
        seed=seed,
    )
    empirical = _free_curves(
        pilots, pilots.column("empirical_risk"), pilots.budget, n_fits, seed + _EMPIRICAL_STREAM
    ).fits.at(difficulties)
    own_risk = pilots.own_risk()
    own = empirical
    if own_risk is not None:
        own = _free_curves(pilots, *own_risk, n_fits, seed + _OWN_STREAM).fits.at(difficulties)
    growth = kl_growth(
        difficulty=pilots.difficulty,
        budget=pilots.budget,
        kl=np.maximum(pilots.column("kl"), _LEAST_KL),
        level=level,
    )
    return Forecaster(
        difficulties=difficulties,
        target=target,
        target_fits=target.fits.at(difficulties),
        own=own,
        empirical=empirical,
        growth=growth,
        log_kl=np.interp(difficulties, growth.difficulties, np.log(growth.kl)),
        exponents=_exponents(growth, n_fits, seed + _KL_STREAM),
        delta=pilots.runs[0].delta,
    )


def _free_curves(pilots: Pilots, risk: Floats, n: Floats, n_fits: int, seed: int) -> LearningCurves:
    """Curves in no order of difficulty: of another risk for each, the training distribution's."""
    return fit_learning_curves(
        difficulty=pilots.difficulty,
        budget=pilots.budget,
        risk=risk,
        n_test=n,
        base_risk=None,
        n_fits=n_fits,
        seed=seed,
        monotone=False,
    )


def _exponents(growth: KlGrowth, n_fits: int, seed: int) -> Floats:
    """Draws of the exponent as uncertain as its interval says; 0 if there is no exponent."""
    if growth.exponent is None:
        return np.zeros(n_fits)
    spread = 0.0
    if growth.interval is not None:
        half = (growth.interval[1] - growth.interval[0]) / 2
        spread = half / float(norm.ppf((1 + growth.level) / 2))
    draws = np.random.default_rng(seed).standard_normal(n_fits)
    return growth.exponent + spread * draws
