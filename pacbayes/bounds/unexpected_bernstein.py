"""The unexpected Bernstein bound: second moments of the losses on the sample."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from pacbayes.bounds._complexity import complexity
from pacbayes.bounds._domain import (
    Array,
    FloatOrArray,
    plain,
    require,
    require_between,
    require_delta,
    require_finite,
    require_n,
    require_risk,
)
from pacbayes.bounds._rounding import risk_up, up
from pacbayes.ledger import DeltaLedger


def unexpected_bernstein(
    *,
    empirical_risk: ArrayLike,
    second_moment: ArrayLike,
    kl: ArrayLike,
    n: ArrayLike,
    delta: ArrayLike,
    gamma: ArrayLike | None = None,
) -> FloatOrArray:
    """Upper bound from the first and second moments of the losses on the sample.

    For each γ of a grid of size K, with probability ≥ 1 − δ, for all Q,

        R ≤ r̂ + ((−ln(1 − γ) − γ)/γ) V̂₂ + (KL + ln(K/δ))/(γ n).

    As (−ln(1 − z) − z)/z² increases in z, exp(−γℓ − s ℓ²) ≤ 1 − γℓ for ℓ ≤ 1 with
    s = −ln(1 − γ) − γ; so E exp(γ(R − ℓ) − s ℓ²) ≤ 1, and the bound by Donsker–Varadhan.
    Assumptions and errors as `seeger_maurer`.

    Args:
        empirical_risk: As `seeger_maurer`.
        second_moment: V̂₂, the posterior's mean of the mean squared loss; from r̂² to r̂.
        kl: As `seeger_maurer`.
        n: As `seeger_maurer`.
        delta: As `seeger_maurer`.
        gamma: γ in (0, 1), fixed before the sample (K = 1). If not given, the best of
            1/2, 1/4, … 2^−K with K = ⌈log₂(½ √(n/ln(1/δ)))⌉.

    Returns:
        An upper bound on R, at most 1.0.

    Reference: Mhammedi, Grünwald & Guedj (2019), PAC-Bayes Un-Expected Bernstein Inequality,
    Lemma 10 and Theorem 3 without its excess-loss part.

    >>> round(
    ...     unexpected_bernstein(
    ...         empirical_risk=0.02, second_moment=0.02, kl=300.0, n=30000, delta=0.05
    ...     ),
    ...     9,
    ... )
    0.048045053
    """
    risk, moment = require_risk(empirical_risk), require_finite(second_moment, "second_moment")
    require(
        (moment >= risk**2 * (1 - 1e-9)) & (moment <= risk * (1 + 1e-9)),
        moment,
        "second_moment",
        "lie between the squared empirical risk and the empirical risk",
        "It is the mean squared loss, not a variance.",
    )
    if gamma is not None:
        fixed = require_between(gamma, "gamma", 0, 1)
        return plain(_bound(risk, moment, complexity(kl, n, delta), fixed))
    sizes = grid_size(n=n, delta=delta)
    best = np.ones(sizes.shape)
    for k in np.unique(sizes):
        shares = DeltaLedger(require_delta(delta)).split([f"γ = 2^−{i + 1}" for i in range(int(k))])
        cost = complexity(kl, n, shares[0])
        for i in range(int(k)):
            value = _bound(risk, moment, cost, np.asarray(2.0 ** -(i + 1)))
            best = np.where(sizes == k, np.minimum(best, value), best)
    return plain(best)


def grid_size(*, n: ArrayLike, delta: ArrayLike) -> Array:
    """K = ⌈log₂(½ √(n/ln(1/δ)))⌉, at least 1 and at most 40: known before the sample."""
    with np.errstate(all="ignore"):
        wanted = np.log2(0.5 * np.sqrt(require_n(n) / -np.log(require_delta(delta))))
    return np.clip(np.ceil(wanted), 1, 40)


def _bound(risk: Array, moment: Array, cost: Array, gamma: Array) -> Array:
    # s/γ² as a series where the logarithm would cancel
    s = np.where(gamma < 0.02, _series(gamma), (-np.log1p(-gamma) - gamma) / gamma**2)
    return risk_up(risk + up(up(s, 2.0**-45) * gamma * moment) + cost / gamma)


def _series(gamma: Array) -> Array:
    """(−ln(1 − γ) − γ)/γ² = Σ_{k≥0} γ^k/(k + 2)."""
    total = np.full_like(gamma, 1 / 13)
    for k in range(10, -1, -1):
        total = total * gamma + 1 / (k + 2)
    return total
