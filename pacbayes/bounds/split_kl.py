"""The split-kl bound: losses concentrated at an interior value."""

from __future__ import annotations

from dataclasses import dataclass

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
    parts = _Parts.of(empirical_risk, excess, mu, kl, n, delta)
    rise = (1 - parts.mu) * binary_kl_inverse_upper(parts.above[1], parts.cost)
    fall = parts.mu * binary_kl_inverse_lower(parts.below[0], parts.cost)
    return plain(risk_up(parts.mu + rise - fall + 8 * ULP))


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
    parts = _Parts.of(empirical_risk, excess, mu, kl, n, delta)
    rise = (1 - parts.mu) * binary_kl_inverse_lower(parts.above[0], parts.cost)
    fall = parts.mu * binary_kl_inverse_upper(parts.below[1], parts.cost)
    return plain(risk_below(parts.mu + rise - fall, 2.0))


@dataclass(frozen=True, kw_only=True)
class _Parts:
    """r̂⁺/(1 − μ), r̂⁻/μ from below and above, μ, and the complexity."""

    above: tuple[Array, Array]
    below: tuple[Array, Array]
    mu: Array
    cost: Array

    @classmethod
    def of(
        cls,
        empirical_risk: ArrayLike,
        excess: ArrayLike,
        mu: ArrayLike,
        kl: ArrayLike,
        n: ArrayLike,
        delta: ArrayLike,
    ) -> _Parts:
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
        return cls(
            above=_around(plus / (1 - middle), 4 * ULP * plus / (1 - middle)),
            # a difference of numbers of that size
            below=_around(
                (middle - risk + plus) / middle, 4 * ULP * (middle + risk + plus) / middle
            ),
            mu=middle,
            cost=complexity(kl, n, half, log_xi(n)),
        )


def _around(part: Array, error: Array) -> tuple[Array, Array]:
    return np.clip(part - error, 0, 1), np.clip(part + error, 0, 1)
