"""What the certificate of a fine-tune says of its run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pacbayes.certificate import Certificate, StratumCertificate
from pacbayes.errors import InputError
from pacbayes.schema import Interval


def values_of(certificate: Certificate) -> dict[str, Any]:
    """What a certificate knows of its run, as JSON values.

    The strata's shares of the units are the training weights; risks are their means under these
    weights, and so are the ends of the bounds, which hold together.

    Raises:
        InputError: Its `n` counts tokens, not units.
    """
    if certificate.object.target != "fresh":
        raise InputError("certificate.json is about tokens of its documents, not fresh units.")
    strata, prior = certificate.strata, certificate.prior
    budget = sum(stratum.n for stratum in strata)
    base = prior.base or prior.centre
    return {
        "base": f"{Path(base.path).name}@{base.sha256[:12]}",
        "train_weights": {s.name: s.n / budget for s in strata},
        "budget": budget,
        "loss": certificate.loss.name,
        "delta": certificate.delta.total,
        "kl": certificate.kl,
        "empirical_risk": _mean(strata, [s.empirical_risk for s in strata]),
        "empirical_risk_bound": _mean_interval(strata, [s.empirical_risk_bound for s in strata]),
        "risk_bound": _mean_interval(strata, [s.risk_bound for s in strata]),
        "tests": {
            s.name: {"mean": s.held_out.stochastic.mean, "n": s.held_out.n}
            for s in strata
            if s.held_out is not None
        },
    }


def _mean(strata: Sequence[StratumCertificate], values: Sequence[float]) -> float:
    if len(values) == 1:
        return values[0]
    total = sum(stratum.n for stratum in strata)
    pairs = zip(strata, values, strict=True)
    return min(1.0, math.fsum(stratum.n / total * value for stratum, value in pairs))


def _mean_interval(
    strata: Sequence[StratumCertificate], intervals: Sequence[Interval]
) -> list[float]:
    lower, upper = zip(*intervals, strict=True)
    if len(strata) == 1:
        return [lower[0], upper[0]]
    # outward: the mean of bounds is computed in floating point
    below, above = _mean(strata, lower), _mean(strata, upper)
    return [max(0.0, below * (1 - 1e-14)), min(1.0, above * (1 + 1e-14))]
