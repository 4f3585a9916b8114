"""The split-kl bound: losses concentrated at an interior value."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from pacbayes.bounds._complexity import complexity, risk_below
from pacbayes.bounds._domain import (
    Array,
    FloatOrArray,
    plain,
    require,
    require_between,
    require_delta,
    require_finite,
    require_risk,
)
from pacbayes.bounds._rounding import ULP, risk_up
from pacbayes.bounds.binary_kl import binary_kl_inverse_lower, binary_kl_inverse_upper
from pacbayes.bounds.xi import log_xi
from pacbayes.ledger import DeltaLedger

_DIFFERENCE = 8 * ULP
"""Absolute error of the parts below and above μ, which come from differences of numbers ≤ 1."""


def split_kl(
    *,
    empirical_risk: ArrayLike,
    excess: ArrayLike,
    mu: ArrayLike,
    kl: ArrayLike,
    n: ArrayLike,
    delta: ArrayLike,
) -> FloatOrArray:
    """Upper bound from the parts of the losses above and below μ.

    With probability ≥ 1 − δ, for all Q, with c = (KL + ln(2ξ(n)/δ))/n,

        R ≤ μ + (1 − μ) kl⁺(r̂⁺/(1 − μ), c) − μ kl⁻(r̂⁻/μ, c).

    ℓ = μ + (ℓ − μ)₊ − (μ − ℓ)₊, and each of the two parts, scaled to [0, 1], has its own kl bound
    at δ/2. The paper's 2√n is replaced by ξ(n), which is smaller. Assumptions and errors as
    `seeger_maurer`; `split_kl_lower` holds on the same event.

    Args:
        empirical_risk: As `seeger_maurer`.
        excess: r̂⁺, the posterior's mean of (ℓ − μ)₊ over the sample; r̂⁻ follows from it.
        mu: μ in (0, 1), fixed before the sample.
        kl: As `seeger_maurer`.
        n: As `seeger_maurer`.
        delta: As `seeger_maurer`.

    Returns:
        An upper bound on R, at most 1.0.

    Reference: Wu & Seldin (2022), Split-kl and PAC-Bayes-split-kl Inequalities for Ternary Random
    Variables, Theorem 8.

    >>> at = dict(empirical_risk=0.2, mu=0.2, kl=100.0, n=5000, delta=0.05)
    >>> round(split_kl(**at, excess=0.02), 6)  # losses near .2
    0.247681
    """
    above, below, middle, cost = _parts(empirical_risk, excess, mu, kl, n, delta)
    rise = (1 - middle) * binary_kl_inverse_upper(np.minimum(above + _DIFFERENCE, 1), cost)
    fall = middle * binary_kl_inverse_lower(np.maximum(below - _DIFFERENCE, 0), cost)
    return plain(risk_up(middle + rise - fall + _DIFFERENCE))


def split_kl_lower(
    *,
    empirical_risk: ArrayLike,
    excess: ArrayLike,
    mu: ArrayLike,
    kl: ArrayLike,
    n: ArrayLike,
    delta: ArrayLike,
) -> FloatOrArray:
    """Lower bound on R, on the event of `split_kl` and with the same arguments."""
    above, below, middle, cost = _parts(empirical_risk, excess, mu, kl, n, delta)
    rise = (1 - middle) * binary_kl_inverse_lower(np.maximum(above - _DIFFERENCE, 0), cost)
    fall = middle * binary_kl_inverse_upper(np.minimum(below + _DIFFERENCE, 1), cost)
    return plain(risk_below(middle + rise - fall, 2.0))


def _parts(
    empirical_risk: ArrayLike,
    excess: ArrayLike,
    mu: ArrayLike,
    kl: ArrayLike,
    n: ArrayLike,
    delta: ArrayLike,
) -> tuple[Array, Array, Array, Array]:
    """r̂⁺/(1 − μ), r̂⁻/μ, μ and the complexity."""
    risk, plus = require_risk(empirical_risk), require_finite(excess, "excess")
    middle = require_between(mu, "mu", 0, 1)
    least, most = np.maximum(risk - middle, 0), (1 - middle) * risk
    require(
        (plus >= least * (1 - 1e-9) - 1e-12) & (plus <= most * (1 + 1e-9) + 1e-12),
        plus,
        "excess",
        "lie between max(0, r̂ − μ) and (1 − μ) r̂",
        "It is the mean of max(0, loss − mu).",
    )
    half = DeltaLedger(require_delta(delta)).split(["above mu", "below mu"])[0]
    above = np.clip(plus / (1 - middle), 0, 1)
    below = np.clip((middle - risk + plus) / middle, 0, 1)
    # r̂⁻ is a difference of rounded numbers: its error grows as μ falls
    slack = _DIFFERENCE / np.minimum(middle, 1 - middle)
    above, below = np.clip(above + slack, 0, 1), np.clip(below - slack, 0, 1)
    return above, below, middle, complexity(kl, n, half, log_xi(n))
