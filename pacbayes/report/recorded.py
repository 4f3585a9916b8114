"""What a stratum's theorem was evaluated at, recovered from the certificate."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from pacbayes.bounds import log_kt_constant, log_xi
from pacbayes.certificate import Certificate, StratumCertificate

MOST = 10**15
"""Larger n are not computed with."""
_LARGEST_SPENT = 700.0
"""exp of less is 0 in float64."""


def _nothing(_n: Any) -> float:
    return 0.0


CONSTANTS: Mapping[str, Callable[[Any], Any]] = MappingProxyType(
    {
        "seeger_maurer": log_xi,
        "disintegrated_kl": log_xi,
        "time_uniform_kl": log_kt_constant,
        "log_wealth_at": log_kt_constant,
        "occam_kl": _nothing,
    }
)
"""The theorems that can be evaluated again from a certificate, with the logarithm of c(n) in
(KL + ln(c(n)/δ))/n of each."""


@dataclass(frozen=True, kw_only=True)
class Terms:
    """The numbers in the complexity (KL + ln(c(n)/δ))/n of a stratum.

    Attributes:
        names: The theorems, all on one event.
        n: Units.
        kl: KL in nats.
        spent: ln(1/δ) with the cost of the prior's scale, in nats.
    """

    names: tuple[str, ...]
    n: int
    kl: float
    spent: float

    def complexity(self, *, n: Any, kl: Any) -> Any:
        """The complexity at another n or KL, numbers or arrays."""
        return (kl + CONSTANTS[self.names[0]](n) + self.spent) / n


def terms_of(certificate: Certificate, stratum: StratumCertificate) -> Terms | None:
    """The terms of a stratum; None if they do not follow from what is recorded."""
    names = tuple(name for name in stratum.bounds if name in CONSTANTS)
    if not names or stratum.n > MOST:
        return None
    constant = float(CONSTANTS[names[0]](stratum.n))
    spent = stratum.complexity.log_term * stratum.n - constant
    # false of no certificate that this program has written
    if not 0 < spent < _LARGEST_SPENT:
        return None
    return Terms(names=names, n=stratum.n, kl=certificate.kl, spent=spent)


def delta_of(certificate: Certificate, terms: Terms) -> float | None:
    """The stratum's share of δ for its theorem, rounded down; None as for `terms_of`."""
    log_inverse = terms.spent - certificate.prior.scale_grid.log_cost
    return math.exp(-log_inverse) * (1 - 1e-9) if log_inverse > 0 else None
