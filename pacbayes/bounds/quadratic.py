"""The quadratic bound: the λ-bound at its best λ."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from pacbayes.bounds._complexity import complexity, log_2sqrtn, risk_below
from pacbayes.bounds._domain import FloatOrArray, plain, require_risk
from pacbayes.bounds._rounding import risk_up, up


def quadratic(
    *, empirical_risk: ArrayLike, kl: ArrayLike, n: ArrayLike, delta: ArrayLike
) -> FloatOrArray:
    """With probability ≥ 1 − δ, for all Q, R ≤ (√(r̂ + B/2n) + √(B/2n))², B = KL + ln(2√n/δ).

    From kl(r̂‖R) ≥ (R − r̂)²/(2R), solved for R, on the event of `seeger_maurer`. Assumptions,
    arguments, result and errors as there.

    Reference: Rivasplata, Tankasali & Szepesvári (2019), PAC-Bayes with Backprop; Pérez-Ortiz et
    al. (2021), Tighter Risk Certificates for Neural Networks.

    >>> round(quadratic(empirical_risk=0.02, kl=300.0, n=30000, delta=0.05), 9)
    0.053049418
    """
    half = complexity(kl, n, delta, log_2sqrtn(n)) / 2
    return plain(risk_up((np.sqrt(require_risk(empirical_risk) + half) + np.sqrt(half)) ** 2))


def quadratic_lower(
    *, empirical_risk: ArrayLike, kl: ArrayLike, n: ArrayLike, delta: ArrayLike
) -> FloatOrArray:
    """Lower bound R ≥ r̂ − √(2 r̂ B/n), on the event of `quadratic` and with the same arguments.

    From kl(r̂‖R) ≥ (r̂ − R)²/(2r̂) for R < r̂.
    """
    risk = require_risk(empirical_risk)
    # a root for each factor, as their product could be too small
    with np.errstate(invalid="ignore"):
        width = up(np.sqrt(2 * risk) * np.sqrt(complexity(kl, n, delta, log_2sqrtn(n))))
    return plain(risk_below(risk - width, risk + width))
