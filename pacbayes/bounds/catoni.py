"""Catoni's bound with a constant fixed before the sample, or from a grid that is paid for."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from pacbayes.bounds._complexity import complexity
from pacbayes.bounds._domain import Array, FloatOrArray, plain, require_between, require_risk
from pacbayes.bounds._rounding import risk_up, up


def catoni(
    *, empirical_risk: ArrayLike, kl: ArrayLike, n: ArrayLike, delta: ArrayLike, c: ArrayLike
) -> FloatOrArray:
    """Catoni's bound at one constant fixed beforehand.

    For fixed C > 0, with probability ≥ 1 − δ, for all Q,

        R ≤ (1 − exp(−C r̂ − (KL + ln(1/δ))/n))/(1 − e^{−C}).

    Assumptions, arguments, result and errors as `seeger_maurer`.

    Args:
        empirical_risk: As `seeger_maurer`.
        kl: As `seeger_maurer`.
        n: As `seeger_maurer`.
        delta: As `seeger_maurer`.
        c: C, above 0 and chosen without the sample. The value at a C that was optimised on the
            sample is not a certificate: see `catoni_grid`, and `uniform_catoni`.

    Reference: Catoni (2007), PAC-Bayesian Supervised Classification, Theorem 1.2.6.

    >>> round(catoni(empirical_risk=0.02, kl=300.0, n=30000, delta=0.05, c=1.0), 9)
    0.046907774
    """
    at = require_between(c, "c", 0, math.inf, "It is Catoni's inverse temperature.")
    return plain(_bound(require_risk(empirical_risk), complexity(kl, n, delta), at))


def _bound(risk: Array, cost: Array, c: Array) -> Array:
    with np.errstate(all="ignore"):  # of the smallest and largest C
        return risk_up(np.expm1(-up(c * risk + cost)) / np.expm1(-c))
