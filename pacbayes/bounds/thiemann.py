"""The λ-bound: linear in the empirical risk, convex, a training objective."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from pacbayes.bounds._complexity import complexity, log_2sqrtn, risk_below
from pacbayes.bounds._domain import FloatOrArray, plain, require_between, require_risk
from pacbayes.bounds._rounding import risk_up, up


def thiemann(
    *,
    empirical_risk: ArrayLike,
    kl: ArrayLike,
    n: ArrayLike,
    delta: ArrayLike,
    lam: ArrayLike | None = None,
) -> FloatOrArray:
    """The λ-bound, linear in the empirical risk.

    With probability ≥ 1 − δ, for all Q and λ ∈ (0, 2), with B = KL + ln(2√n/δ),

        R ≤ r̂/(1 − λ/2) + B/(n λ (1 − λ/2)).

    From kl(r̂‖R) ≥ (R − r̂)²/(2R) and √(ab) ≤ (λa + b/λ)/2 on the event of `seeger_maurer`.
    Assumptions, arguments, result and errors as there.

    Args:
        empirical_risk: As `seeger_maurer`.
        kl: As `seeger_maurer`.
        n: As `seeger_maurer`.
        delta: As `seeger_maurer`.
        lam: λ in (0, 2), free of charge even if chosen on the sample; if not given, the best,
            λ* = 2/(√(2n r̂/B + 1) + 1).

    Reference: Thiemann, Igel, Wintenberger & Seldin (2017), A Strongly Quasiconvex PAC-Bayesian
    Bound, Theorem 6.

    >>> round(thiemann(empirical_risk=0.02, kl=300.0, n=30000, delta=0.05), 9)
    0.053049418
    """
    risk = require_risk(empirical_risk)
    cost = complexity(kl, n, delta, log_2sqrtn(n))
    with np.errstate(all="ignore"):
        best = 2 / (np.sqrt(2 * risk / cost + 1) + 1)
        chosen = best if lam is None else require_between(lam, "lam", 0, 2)
        rest = 1 - chosen / 2
        return plain(risk_up((risk + cost / chosen) / rest))


def thiemann_lower(
    *,
    empirical_risk: ArrayLike,
    kl: ArrayLike,
    n: ArrayLike,
    delta: ArrayLike,
    lam: ArrayLike | None = None,
) -> FloatOrArray:
    """Lower λ-bound R ≥ (1 − λ/2) r̂ − B/(nλ) for all λ > 0, on the event of `thiemann`.

    From kl(r̂‖R) ≥ (r̂ − R)²/(2r̂) for R < r̂. The best λ is √(2B/(n r̂)).
    """
    risk = require_risk(empirical_risk)
    cost = complexity(kl, n, delta, log_2sqrtn(n))
    with np.errstate(all="ignore"):
        best = np.sqrt(2 * cost) / np.sqrt(risk)
        chosen = best if lam is None else require_between(lam, "lam", 0, math.inf)
        loss = up(risk * chosen / 2 + cost / chosen)
        return plain(risk_below(risk - loss, risk + loss))
