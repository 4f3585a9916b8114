"""What the theorems say of one stratum at the recorded quantities."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pacbayes.bounds import BOUNDS, rank
from pacbayes.certificate import Certificate, StratumCertificate
from pacbayes.report.recorded import delta_of, terms_of


@dataclass(frozen=True, kw_only=True)
class Rung:
    """A theorem at the numbers of a stratum.

    Attributes:
        name: Its key in `BOUNDS`.
        upper: The bound.
        event: The event on which it holds.
        reference: Where it is proved.
        paid: Whether that is the event that the certificate has paid for: the bound is then
            certified with the others. Else it would be a statement of its own, for a δ of its own.
    """

    name: str
    upper: float
    event: str
    reference: str
    paid: bool


def ladder(certificate: Certificate, stratum: StratumCertificate) -> list[Rung]:
    """The bounds on the risk of a stratum that its record suffices for, the least first.

    Those of the certificate as they are written there. Of a posterior also the other theorems, at
    the upper end of the empirical risk and the stratum's share of δ.
    """
    found = dict(stratum.bounds)
    paid = {_event(name) for name in found}
    if certificate.object.kind == "posterior":
        found = _others(certificate, stratum) | found
    rungs = [
        Rung(
            name=name,
            upper=upper,
            event=_event(name),
            reference=BOUNDS[name].reference if name in BOUNDS else "–",
            paid=name in stratum.bounds or _event(name) in paid,
        )
        for name, upper in found.items()
    ]
    return sorted(rungs, key=lambda rung: (rung.upper, rung.name))


def _event(name: str) -> str:
    return BOUNDS[name].event if name in BOUNDS else "as recorded"


def _others(certificate: Certificate, stratum: StratumCertificate) -> dict[str, float]:
    terms = terms_of(certificate, stratum)
    delta = None if terms is None else delta_of(certificate, terms)
    if terms is None or delta is None:
        return {}
    ranked = rank(
        empirical_risk=stratum.empirical_risk_bound[1],
        kl=math.nextafter(terms.kl + certificate.prior.scale_grid.log_cost, math.inf),
        n=terms.n,
        delta=delta,
    )
    return {row.name: row.upper for row in ranked if not row.held_out}
