"""The kl bound with Maurer's exact constant."""

from __future__ import annotations

import math

from pacbayes.bounds._domain import require_complexity, require_delta, require_n, require_risk
from pacbayes.bounds.binary_kl import binary_kl_inverse_lower, binary_kl_inverse_upper

_RELATIVE_ERROR = 1e-12


def log_xi(n: int) -> float:
    """Ln ξ(n), rounded up, with ξ(n) = Σ_k C(n,k) (k/n)^k (1 − k/n)^(n−k).

    ξ(n) = 1 + Q(n), Q Ramanujan's function, and ξ(n) = n! eⁿ n⁻ⁿ P(n + 1, n) with P the upper
    regularized incomplete gamma function. From n = 1000 on by its asymptotic expansion, whose next
    term is below 1e-14 there. At most 2 √n (Maurer 2004).

    >>> round(math.exp(log_xi(1)), 9), round(math.exp(log_xi(2)), 9)
    (2.0, 2.5)
    """
    require_n(n)
    if n < 1000:
        from scipy.special import gammaincc, gammaln

        log = float(gammaln(n + 1)) + n - n * math.log(n) + math.log(float(gammaincc(n + 1, n)))
    else:
        root = math.sqrt(math.pi / (2 * n))
        xi = (
            math.sqrt(math.pi * n / 2)
            + 2 / 3
            + root / 12
            - 4 / (135 * n)
            + root / (288 * n)
            + 8 / (2835 * n * n)
        )
        log = math.log(xi)
    return log + _RELATIVE_ERROR * (1 + log)


def seeger_maurer(*, empirical_risk: float, kl: float, n: int, delta: float) -> float:
    """Upper kl bound: with probability ≥ 1 − δ, for all Q, kl(r̂‖R) ≤ (KL + ln(ξ(n)/δ))/n.

    Args:
        empirical_risk: r̂ in [0, 1], mean loss of the posterior on the sample.
        kl: KL(Q‖P) ≥ 0 in nats.
        n: Independent units in the sample, at least 1.
        delta: Failure probability in (0, 1); `seeger_maurer_lower` holds on the same event.

    Returns:
        The largest risk R not excluded, rounded up; 1.0 where the bound says nothing.

    Raises:
        ValueError: An argument outside its domain.

    Reference: Seeger (2002); Maurer (2004), A Note on the PAC Bayesian Theorem.

    >>> round(seeger_maurer(empirical_risk=0.02, kl=300.0, n=30000, delta=0.05), 9)
    0.046981242
    """
    return binary_kl_inverse_upper(require_risk(empirical_risk), _complexity(kl, n, delta))


def seeger_maurer_lower(*, empirical_risk: float, kl: float, n: int, delta: float) -> float:
    """Lower kl bound, on the event of `seeger_maurer` and with the same arguments."""
    return binary_kl_inverse_lower(require_risk(empirical_risk), _complexity(kl, n, delta))


def _complexity(kl: float, n: int, delta: float) -> float:
    total = require_complexity(kl) + log_xi(n) - math.log(require_delta(delta))
    return total / n * (1 + _RELATIVE_ERROR)
