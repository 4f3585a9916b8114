"""The kl bound with Maurer's exact constant."""

from __future__ import annotations

from numpy.typing import ArrayLike

from pacbayes.bounds._complexity import complexity
from pacbayes.bounds._domain import FloatOrArray, require_risk
from pacbayes.bounds.binary_kl import binary_kl_inverse_lower, binary_kl_inverse_upper
from pacbayes.bounds.xi import log_xi


def seeger_maurer(
    *, empirical_risk: ArrayLike, kl: ArrayLike, n: ArrayLike, delta: ArrayLike
) -> FloatOrArray:
    """Upper kl bound: with probability ≥ 1 − δ, for all Q, kl(r̂‖R) ≤ (KL + ln(ξ(n)/δ))/n.

    Assumes n independent, identically distributed examples, a loss in [0, 1], and a prior fixed
    before the sample.

    Args:
        empirical_risk: r̂ in [0, 1], mean loss of the posterior on the sample; any shape.
        kl: KL(Q‖P) ≥ 0 in nats; any shape that broadcasts, as the two below.
        n: Independent units in the sample, at least 1.
        delta: Failure probability in (0, 1); `seeger_maurer_lower` holds on the same event.

    Returns:
        The largest risk R not excluded, rounded up; 1.0 where the bound says nothing.

    Raises:
        ValueError: An argument outside its domain.

    Reference: Seeger (2002); Maurer (2004), A Note on the PAC Bayesian Theorem, Theorem 5.

    >>> round(seeger_maurer(empirical_risk=0.02, kl=300.0, n=30000, delta=0.05), 9)
    0.046981242
    """
    return binary_kl_inverse_upper(
        require_risk(empirical_risk), complexity(kl, n, delta, log_xi(n))
    )


def seeger_maurer_lower(
    *, empirical_risk: ArrayLike, kl: ArrayLike, n: ArrayLike, delta: ArrayLike
) -> FloatOrArray:
    """Lower kl bound, on the event of `seeger_maurer` and with the same arguments.

    >>> round(seeger_maurer_lower(empirical_risk=0.3, kl=300.0, n=5000, delta=0.05), 6)
    0.159483
    """
    return binary_kl_inverse_lower(
        require_risk(empirical_risk), complexity(kl, n, delta, log_xi(n))
    )
