"""The square-root bound that follows from the kl bound by Pinsker's inequality."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from pacbayes.bounds._complexity import complexity, log_2sqrtn, risk_below
from pacbayes.bounds._domain import FloatOrArray, plain, require_risk
from pacbayes.bounds._rounding import risk_up, up


def pinsker(
    *, empirical_risk: ArrayLike, kl: ArrayLike, n: ArrayLike, delta: ArrayLike
) -> FloatOrArray:
    """Square-root bound: with probability ≥ 1 − δ, for all Q, |R − r̂| ≤ √((KL + ln(2√n/δ))/(2n)).

    From kl(r̂‖R) ≥ 2 (R − r̂)² on the event of `seeger_maurer`; assumptions, arguments, result and
    errors as there.

    Reference: McAllester (2003), Simplified PAC-Bayesian Margin Bounds; Maurer (2004).

    >>> round(pinsker(empirical_risk=0.02, kl=300.0, n=30000, delta=0.05), 9)
    0.091745308
    """
    width = up(np.sqrt(complexity(kl, n, delta, log_2sqrtn(n)) / 2))
    return plain(risk_up(require_risk(empirical_risk) + width))


def pinsker_lower(
    *, empirical_risk: ArrayLike, kl: ArrayLike, n: ArrayLike, delta: ArrayLike
) -> FloatOrArray:
    """Lower square-root bound, on the event of `pinsker` and with the same arguments."""
    width = up(np.sqrt(complexity(kl, n, delta, log_2sqrtn(n)) / 2))
    risk = require_risk(empirical_risk)
    return plain(risk_below(risk - width, risk + width))
