"""Catoni's bound for all its parameters at once: linear in the empirical risk."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from pacbayes.bounds._complexity import complexity
from pacbayes.bounds._domain import (
    FloatOrArray,
    plain,
    require,
    require_between,
    require_finite,
    require_risk,
)
from pacbayes.bounds._rounding import risk_up
from pacbayes.bounds.seeger_maurer import seeger_maurer
from pacbayes.bounds.xi import log_xi


def uniform_catoni(
    *,
    empirical_risk: ArrayLike,
    kl: ArrayLike,
    n: ArrayLike,
    delta: ArrayLike,
    c: ArrayLike | None = None,
    gamma: ArrayLike | None = None,
) -> FloatOrArray:
    """Catoni's bound for all its parameters at once.

    With probability ≥ 1 − δ, for all Q, c ∈ (0, 1] and γ > 1,

        R ≤ cγ ln(γ/(γ − 1)) r̂ + cγ (KL + ln(ξ(n)/δ))/n + γ (1 − c (1 − ln c)).

    With C = ln(γ/(γ − 1)) the binary divergence is at least −ln(1 − R/γ) − C r̂ (its variational
    form), so R ≤ γ (1 − e^{−x}) with x = C r̂ + (KL + ln(ξ/δ))/n, and 1 − e^{−x} ≤ c x + 1 − c +
    c ln c by tangency. On the event of `seeger_maurer`; assumptions, arguments, result and errors
    as there.

    Args:
        empirical_risk: As `seeger_maurer`.
        kl: As `seeger_maurer`.
        n: As `seeger_maurer`.
        delta: As `seeger_maurer`.
        c: In (0, 1], together with `gamma`; both free of charge even if chosen on the sample.
            If neither is given, the infimum over both, which is the kl bound.
        gamma: Above 1.

    Reference: Rodríguez-Gálvez, Thobaben & Skoglund (2024), More PAC-Bayes Bounds, Theorem 7.

    >>> at = dict(empirical_risk=0.02, kl=300.0, n=30000, delta=0.05)
    >>> round(uniform_catoni(**at), 9)
    0.046981242
    >>> round(uniform_catoni(**at, c=0.97, gamma=1.7), 6)
    0.046987
    """
    if (c is None) != (gamma is None):
        raise ValueError("`c` and `gamma` must be given together, or neither for the best of both.")
    if c is None or gamma is None:
        return seeger_maurer(empirical_risk=empirical_risk, kl=kl, n=n, delta=delta)
    risk, cost = require_risk(empirical_risk), complexity(kl, n, delta, log_xi(n))
    g = require_between(gamma, "gamma", 1, math.inf)
    at = require_finite(c, "c")
    require((at > 0) & (at <= 1), at, "c", "lie in (0, 1]")
    # 1 − c (1 − ln c) is at least 0, and small for c near 1: its error is that of its parts
    offset = 1 - at + at * np.log(at)
    offset = np.maximum(offset, 0) + 2.0**-50 * (1 - at)
    return plain(risk_up(at * g * (np.log1p(1 / (g - 1)) * risk + cost) + g * offset))
