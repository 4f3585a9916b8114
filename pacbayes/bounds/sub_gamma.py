"""Unbounded losses with sub-gamma tails, which have to be assumed."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from pacbayes.bounds._domain import (
    FloatOrArray,
    plain,
    require,
    require_finite,
)
from pacbayes.bounds._rounding import CLOSE, up, up_signed
from pacbayes.bounds.sub_gaussian import chernoff_complexity


def sub_gamma(
    *,
    empirical_risk: ArrayLike,
    kl: ArrayLike,
    n: ArrayLike,
    delta: ArrayLike,
    variance_factor: ArrayLike,
    scale: ArrayLike,
) -> FloatOrArray:
    """With probability ≥ 1 − δ, for all Q, R ≤ r̂ + √(2 v y) + b y, y = (KL + ln(n/δ))/(n − 1).

    As `sub_gaussian` (proof, arguments, result and errors) with Λ(λ) = λ² v/(2 (1 − b λ)) for
    0 < λ < 1/b, for which the inverse of Λ⋆ is √(2 v y) + b y.

    Args:
        empirical_risk: As `sub_gaussian`.
        kl: As `sub_gaussian`.
        n: As `sub_gaussian`.
        delta: As `sub_gaussian`.
        variance_factor: v ≥ 0, in squared units of the loss: an assumption.
        scale: b ≥ 0, in units of the loss: an assumption; 0 is `sub_gaussian`.

    Reference: Casado et al. (2024), Corollary 11; Boucheron, Lugosi & Massart (2013), section 2.4.

    >>> round(
    ...     sub_gamma(
    ...         empirical_risk=2.0, kl=300.0, n=30000, delta=0.05, variance_factor=0.25, scale=0.1
    ...     ),
    ...     6,
    ... )
    2.073307
    """
    risk = require_finite(empirical_risk, "empirical_risk")
    v, b = require_finite(variance_factor, "variance_factor"), require_finite(scale, "scale")
    require(v >= 0, v, "variance_factor", "be at least 0")
    require(b >= 0, b, "scale", "be at least 0")
    cost = chernoff_complexity(kl, n, delta)
    with np.errstate(all="ignore"):
        gap = up(np.sqrt(2 * v) * np.sqrt(cost) + b * cost)
        gap = np.where(np.isinf(cost), np.inf, gap)
    return plain(up_signed(risk + gap, np.abs(risk), CLOSE))
