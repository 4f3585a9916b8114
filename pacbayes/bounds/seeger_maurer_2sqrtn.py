"""The kl bound with the constant that papers print."""

from __future__ import annotations

from numpy.typing import ArrayLike

from pacbayes.bounds._complexity import complexity, log_2sqrtn
from pacbayes.bounds._domain import FloatOrArray, require_risk
from pacbayes.bounds.binary_kl import binary_kl_inverse_lower, binary_kl_inverse_upper


def seeger_maurer_2sqrtn(
    *, empirical_risk: ArrayLike, kl: ArrayLike, n: ArrayLike, delta: ArrayLike
) -> FloatOrArray:
    """Upper kl bound: with probability ≥ 1 − δ, for all Q, kl(r̂‖R) ≤ (KL + ln(2√n/δ))/n.

    Follows from `seeger_maurer`, as ξ(n) ≤ 2√n, and so holds on its event; for comparison with
    published numbers. Assumptions, arguments, result and errors as there.

    Reference: Maurer (2004), Theorem 5; Germain et al. (2015), Risk Bounds for the Majority Vote,
    for n < 8.

    >>> round(seeger_maurer_2sqrtn(empirical_risk=0.02, kl=300.0, n=30000, delta=0.05), 9)
    0.047006918
    """
    return binary_kl_inverse_upper(
        require_risk(empirical_risk), complexity(kl, n, delta, log_2sqrtn(n))
    )


def seeger_maurer_2sqrtn_lower(
    *, empirical_risk: ArrayLike, kl: ArrayLike, n: ArrayLike, delta: ArrayLike
) -> FloatOrArray:
    """Lower kl bound, on the event of `seeger_maurer_2sqrtn` and with the same arguments."""
    return binary_kl_inverse_lower(
        require_risk(empirical_risk), complexity(kl, n, delta, log_2sqrtn(n))
    )
