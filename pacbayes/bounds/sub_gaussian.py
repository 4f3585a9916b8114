"""Unbounded losses with sub-Gaussian tails, which have to be assumed."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from pacbayes.bounds._domain import (
    Array,
    FloatOrArray,
    plain,
    require_between,
    require_complexity,
    require_delta,
    require_finite,
    require_n,
)
from pacbayes.bounds._rounding import CLOSE, up, up_signed


def sub_gaussian(
    *,
    empirical_risk: ArrayLike,
    kl: ArrayLike,
    n: ArrayLike,
    delta: ArrayLike,
    sigma: ArrayLike,
) -> FloatOrArray:
    """With probability ≥ 1 − δ, for all Q, R ≤ r̂ + σ √(2 (KL + ln(n/δ))/(n − 1)).

    If ln E exp(λ(R(h) − ℓ(h, x))) ≤ Λ(λ) for all h and λ > 0, Chernoff gives n Λ⋆(R(h) − r̂(h)) a
    tail of at most e^{−t}, so that E exp((n − 1) Λ⋆(R − r̂)) ≤ 1 + ∫₁^∞ u^{−n/(n − 1)} du = n;
    then Donsker–Varadhan, Jensen (Λ⋆ is convex), and Λ⋆(x) = x²/(2σ²).

    Args:
        empirical_risk: r̂, finite, of any sign, in the units of the loss.
        kl: As `seeger_maurer`.
        n: As `seeger_maurer`, at least 2.
        delta: As `seeger_maurer`.
        sigma: σ > 0 in the units of the loss; that every hypothesis's loss is sub-Gaussian with
            it is an assumption that the sample cannot check.

    Returns:
        An upper bound on R in the units of the loss, not capped: the loss has no upper end.

    Raises:
        ValueError: An argument outside its domain.

    Reference: Casado, Ortega, Pérez & Masegosa (2024), PAC-Bayes-Chernoff Bounds for Unbounded
    Losses, Theorem 7 and Corollary 10.

    >>> round(sub_gaussian(empirical_risk=2.0, kl=300.0, n=30000, delta=0.05, sigma=0.5), 6)
    2.072263
    """
    risk = require_finite(empirical_risk, "empirical_risk")
    width = require_between(sigma, "sigma", 0, np.inf)
    with np.errstate(over="ignore"):
        gap = up(width * np.sqrt(2 * chernoff_complexity(kl, n, delta)))
        return plain(up_signed(risk + gap, np.abs(risk), CLOSE))


def chernoff_complexity(kl: ArrayLike, n: ArrayLike, delta: ArrayLike) -> Array:
    """(KL + ln(n/δ))/(n − 1), not below the true value."""
    size = require_n(n, least=2)
    total = require_complexity(kl) + np.log(size) - np.log(require_delta(delta))
    return up(total / (size - 1))
