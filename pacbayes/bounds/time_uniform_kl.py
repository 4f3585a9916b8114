"""The kl bound for all sample sizes at once."""

from __future__ import annotations

from numpy.typing import ArrayLike

from pacbayes.bounds._complexity import complexity
from pacbayes.bounds._domain import FloatOrArray, require_risk
from pacbayes.bounds.binary_kl import binary_kl_inverse_lower, binary_kl_inverse_upper
from pacbayes.bounds.xi import log_kt_constant


def time_uniform_kl(
    *, empirical_risk: ArrayLike, kl: ArrayLike, n: ArrayLike, delta: ArrayLike
) -> FloatOrArray:
    """Upper kl bound: with probability ≥ 1 − δ, for all n and Q, n kl(r̂‖R) ≤ KL + ln(K(n)/δ).

    K(n) = √π Γ(n + 1)/Γ(n + 1/2). One δ covers certificates at every sample size of a growing
    sample. Assumptions, arguments, result and errors as `seeger_maurer`; the event is that of
    `log_wealth`, of which this is the consequence for losses known by their mean only.

    Reference: Jang, Jun, Kuzborskij & Orabona (2023), Tighter PAC-Bayes Bounds Through
    Coin-Betting.

    >>> round(time_uniform_kl(empirical_risk=0.02, kl=300.0, n=30000, delta=0.05), 9)
    0.04700024
    """
    return binary_kl_inverse_upper(
        require_risk(empirical_risk), complexity(kl, n, delta, log_kt_constant(n))
    )


def time_uniform_kl_lower(
    *, empirical_risk: ArrayLike, kl: ArrayLike, n: ArrayLike, delta: ArrayLike
) -> FloatOrArray:
    """Lower kl bound, on the event of `time_uniform_kl` and with the same arguments."""
    return binary_kl_inverse_lower(
        require_risk(empirical_risk), complexity(kl, n, delta, log_kt_constant(n))
    )
