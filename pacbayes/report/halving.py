"""How much more data, or how much less KL, would halve a certified bound, all else being the same.

This is arithmetic with the theorem of the certificate, and a forecast: a model trained on more data
has another risk and another KL.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from pacbayes.bounds import binary_kl_inverse_upper, log_wealth_at
from pacbayes.certificate import Bet, Certificate, StratumCertificate
from pacbayes.report.recorded import MOST, Terms, terms_of

_POINTS, _ROUNDS = 65, 6
"""Of an interval that is searched, each time the part with the crossing: rounds enough for KL to
be far more exact than it is shown."""


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
    if terms is None or ("log_wealth_at" in terms.names and _bet(stratum) is None):
        return None
    half = stratum.risk_bound[1] / 2

    def enough(n: Any, kl: Any) -> Any:
        return _bound(stratum, terms, n, kl) <= half

    return Halving(
        target=half,
        n=_least_n(lambda n: enough(n, terms.kl), terms.n),
        kl=_largest_kl(lambda kl: enough(terms.n, kl), terms.kl),
        floor=float(_bound(stratum, terms, MOST, 0.0)),
    )


def _bound(stratum: StratumCertificate, terms: Terms, n: Any, kl: Any) -> Any:
    """The bound at another n or KL, numbers or arrays, with the same empirical risk."""
    return np.minimum.reduce([_AGAIN[name](stratum, terms, n, kl) for name in terms.names])


def _by_kl(stratum: StratumCertificate, terms: Terms, n: Any, kl: Any) -> Any:
    risk = stratum.empirical_risk_bound[1]
    return binary_kl_inverse_upper(risk, terms.complexity(n=n, kl=kl))


def _by_bet(stratum: StratumCertificate, terms: Terms, n: Any, kl: Any) -> Any:
    bet = _bet(stratum)
    if bet is None:
        raise ValueError("the stratum has no bet on the upper side.")
    delta = math.exp(-terms.spent)
    return log_wealth_at(mean_log=bet.mean_log, lam=bet.lam, kl=kl, n=n, delta=delta)


def _bet(stratum: StratumCertificate) -> Bet | None:
    """The bet on the upper side."""
    return next((bet for bet in stratum.bets if bet.lam > 0), None)


_AGAIN: Mapping[str, Callable[[StratumCertificate, Terms, Any, Any], Any]] = MappingProxyType(
    {
        "seeger_maurer": _by_kl,
        "disintegrated_kl": _by_kl,
        "time_uniform_kl": _by_kl,
        "log_wealth_at": _by_bet,
        "occam_kl": _by_kl,
    }
)


def _least_n(enough: Callable[[Any], Any], start: int) -> int | None:
    if enough(start):
        return start
    if not enough(MOST):
        return None
    low, high = start, MOST
    while high - low > 1:
        tried = np.unique(np.geomspace(low, high, _POINTS).round().astype(np.int64))
        first = int(np.argmax(enough(tried)))
        low, high = int(tried[first - 1]), int(tried[first])
    return high


def _largest_kl(enough: Callable[[Any], Any], start: float) -> float | None:
    if not enough(0.0):
        return None
    low, high = 0.0, start
    for _ in range(_ROUNDS):
        tried = np.linspace(low, high, _POINTS)
        last = int(np.flatnonzero(enough(tried))[-1])
        low, high = float(tried[last]), float(tried[min(last + 1, _POINTS - 1)])
    return low
