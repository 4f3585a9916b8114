"""The empirical Bernstein bound: the variance is bounded first, then the risk."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from pacbayes.bounds._domain import (
    Array,
    FloatOrArray,
    plain,
    require,
    require_complexity,
    require_delta,
    require_finite,
    require_n,
    require_risk,
)
from pacbayes.bounds._rounding import risk_up, up
from pacbayes.ledger import DeltaLedger

GRID_RATIO = 1.15
"""Ratio of neighbours in the grids of parameters over which both steps take a union (c₁, c₂)."""


def tolstikhin_seldin(
    *,
    empirical_risk: ArrayLike,
    variance: ArrayLike,
    kl: ArrayLike,
    n: ArrayLike,
    delta: ArrayLike,
) -> FloatOrArray:
    """The empirical Bernstein bound, in two steps.

    With probability ≥ 1 − δ, for all Q, with V̄ an upper bound on the posterior's variance,

        R ≤ r̂ + (1 + c₁) √((e − 2) V̄ (KL + ln(2ν₁/δ))/n),
        V̄ = V̂ + (1 + c₂) √(V̂ B/(2(n − 1))) + 2 c₂ B/(n − 1),  B = KL + ln(2ν₂/δ),

    or r̂ + 2 (KL + ln(2ν₁/δ))/n where that is too large for n V̄. Each step holds with probability
    ≥ 1 − δ/2; ν₁ and ν₂ are the sizes of grids of ratio c₁ = c₂ = 1.15.

    The second step is a union over λ ≤ 1 of E exp(nλ(R − r̂) − (e − 2) n λ² V) ≤ 1: the nearest λ
    of the grid loses a factor (1 + c₁)/2 at most, and λ* ≥ √(4 ln(2/δ)/((e − 2) n)) as V ≤ 1/4.

    Args:
        empirical_risk: As `seeger_maurer`.
        variance: V̂, the posterior's mean of the unbiased sample variance (divided by n − 1) of
            each hypothesis's losses, in [0, 1/2].
        kl: As `seeger_maurer`.
        n: As `seeger_maurer`, at least 2.
        delta: As `seeger_maurer`.

    Returns:
        An upper bound on R, at most 1.0.

    Raises:
        ValueError: An argument outside its domain.

    Reference: Tolstikhin & Seldin (2013), PAC-Bayes-Empirical-Bernstein Inequality, Theorems 3, 4.

    >>> variance = 0.02 * 0.98 * 30000 / 29999  # of 600 errors in 30,000
    >>> round(
    ...     tolstikhin_seldin(
    ...         empirical_risk=0.02, variance=variance, kl=300.0, n=30000, delta=0.05
    ...     ),
    ...     9,
    ... )
    0.066877822
    """
    risk, spread = require_risk(empirical_risk), require_finite(variance, "variance")
    require((spread >= 0) & (spread <= 0.5), spread, "variance", "lie in [0, 1/2]")
    divergence, size = require_complexity(kl), require_n(n, least=2)
    of_risk, of_variance = DeltaLedger(require_delta(delta)).split(["risk", "variance"])

    with np.errstate(invalid="ignore"):  # 0 times an infinite KL, which is vacuous below
        log = -np.log(of_variance)
        nu = _grid_size(np.log(0.5 * np.sqrt((size - 1) / log + 1) + 0.5))
        cost = up((divergence + up(np.log(nu) + log)) / (size - 1))
        bound = up(spread + (1 + GRID_RATIO) * np.sqrt(spread * cost / 2) + 2 * GRID_RATIO * cost)
        bound = np.fmin(bound, 0.25)

        log = -np.log(of_risk)
        nu = _grid_size(np.log(np.sqrt((math.e - 2) * size / (4 * log)))) + 1
        cost = up((divergence + up(np.log(nu) + log)) / size)
        scaled = (math.e - 2) * bound
        # where the best λ is above 1, λ = 1: (e − 2) V̄ ≤ cost
        gap = np.where(cost <= scaled, (1 + GRID_RATIO) * np.sqrt(scaled * cost), 2 * cost)
        return plain(risk_up(risk + up(gap)))


def _grid_size(log_of_range: Array) -> Array:
    """⌈ln(range)/ln(ratio)⌉, at least 1, a little more rather than less."""
    return np.maximum(np.ceil(log_of_range / math.log(GRID_RATIO) + 1e-9), 1.0)
