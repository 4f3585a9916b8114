"""How much more data, or how much less KL, would halve a certified bound, all else being the same.

This is arithmetic with the theorem of the certificate, and a forecast: a model trained on more data
has another risk and another KL.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from pacbayes.bounds import binary_kl_inverse_upper, log_wealth_at
from pacbayes.certificate import Certificate, StratumCertificate
from pacbayes.report.recorded import MOST, Terms, terms_of

_HALVINGS = 60
"""Of an interval of KL: far below what is shown."""


@dataclass(frozen=True, kw_only=True)
class Halving:
    """What would bring the upper bound of a stratum to half of it.

    Attributes:
        target: Half of the bound.
        n: The least n that is enough at the same KL; None if none is.
        kl: The largest KL in nats that is enough at the same n; None if not even 0 is.
        floor: The bound with endless n.
    """

    target: float
    n: int | None
    kl: float | None
    floor: float


def halving(certificate: Certificate, stratum: StratumCertificate) -> Halving | None:
    """What would halve the bound of a stratum; None if its record does not tell."""
    terms = terms_of(certificate, stratum)
    if terms is None or ("log_wealth_at" in terms.names and not stratum.bets):
        return None
    half = stratum.risk_bound[1] / 2
    return Halving(
        target=half,
        n=_least_n(lambda n: bound_again(stratum, terms, n=n, kl=terms.kl) <= half, terms.n),
        kl=_largest_kl(lambda kl: bound_again(stratum, terms, n=terms.n, kl=kl) <= half, terms.kl),
        floor=bound_again(stratum, terms, n=MOST, kl=0.0),
    )


def bound_again(stratum: StratumCertificate, terms: Terms, *, n: int, kl: float) -> float:
    """The bound of a stratum at another n or KL, with the same empirical risk."""
    return min(_AGAIN[name](stratum, terms, n, kl) for name in terms.names)


def _by_kl(stratum: StratumCertificate, terms: Terms, n: int, kl: float) -> float:
    risk = stratum.empirical_risk_bound[1]
    return float(binary_kl_inverse_upper(risk, terms.complexity(n=n, kl=kl)))


def _by_bet(stratum: StratumCertificate, terms: Terms, n: int, kl: float) -> float:
    bet = max(stratum.bets, key=lambda bet: bet.lam)
    delta = math.exp(-terms.spent)
    return float(log_wealth_at(mean_log=bet.mean_log, lam=bet.lam, kl=kl, n=n, delta=delta))


_AGAIN: Mapping[str, Callable[[StratumCertificate, Terms, int, float], float]] = MappingProxyType(
    {
        "seeger_maurer": _by_kl,
        "disintegrated_kl": _by_kl,
        "time_uniform_kl": _by_kl,
        "log_wealth_at": _by_bet,
        "occam_kl": _by_kl,
    }
)


def _least_n(enough: Callable[[int], bool], start: int) -> int | None:
    low, high = start, start
    while not enough(high):
        if high >= MOST:
            return None
        low, high = high, min(2 * high, MOST)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _largest_kl(enough: Callable[[float], bool], start: float) -> float | None:
    if not enough(0.0):
        return None
    low, high = 0.0, start
    for _ in range(_HALVINGS):
        middle = low + (high - low) / 2
        low, high = (middle, high) if enough(middle) else (low, middle)
    return low
