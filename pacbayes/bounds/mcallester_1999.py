"""McAllester's bound of 1999, for comparison with old results."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from pacbayes.bounds._complexity import risk_below
from pacbayes.bounds._domain import (
    Array,
    FloatOrArray,
    plain,
    require_complexity,
    require_delta,
    require_n,
    require_risk,
)
from pacbayes.bounds._rounding import risk_up, up


def mcallester_1999(
    *, empirical_risk: ArrayLike, kl: ArrayLike, n: ArrayLike, delta: ArrayLike
) -> FloatOrArray:
    """With probability ≥ 1 − δ, for all Q, |R − r̂| ≤ √((KL + ln(1/δ) + 2.5 ln n + 8)/(2n − 1)).

    Implied by `pinsker` (the numerator is larger, the denominator smaller), and so on the same
    event: of use to reproduce published numbers only. Assumptions, arguments, result and errors
    as there.

    Reference: McAllester (1999), PAC-Bayesian Model Averaging, Theorem 1.

    >>> round(mcallester_1999(empirical_risk=0.02, kl=300.0, n=30000, delta=0.05), 9)
    0.09491926
    """
    return plain(risk_up(require_risk(empirical_risk) + _width(kl, n, delta)))


def mcallester_1999_lower(
    *, empirical_risk: ArrayLike, kl: ArrayLike, n: ArrayLike, delta: ArrayLike
) -> FloatOrArray:
    """Lower bound, on the event of `mcallester_1999` and with the same arguments."""
    risk, width = require_risk(empirical_risk), _width(kl, n, delta)
    return plain(risk_below(risk - width, risk + width))


def _width(kl: ArrayLike, n: ArrayLike, delta: ArrayLike) -> Array:
    size = require_n(n)
    total = require_complexity(kl) - np.log(require_delta(delta)) + 2.5 * np.log(size) + 8
    return up(np.sqrt(total / (2 * size - 1)))
