"""What certificates beside the posterior's start from, and what they have in common."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pacbayes.certificate import (
    Certificate,
    CertifiedObject,
    Complexity,
    Delta,
    HeldOut,
    LedgerEntry,
    StratumCertificate,
    parts_of,
)
from pacbayes.certify import Track, untold
from pacbayes.data.sample import Part, Sample, Unit
from pacbayes.ledger import DeltaLedger
from pacbayes.models.fine_tuned import FineTuned
from pacbayes.risk import Scorer
from pacbayes.settings import Settings
from pacbayes.stratum import held_out_risk

FloatArray = npt.NDArray[np.float64]

OWN_STATEMENT = (
    "This certificate is a statement of its own at its δ; it and the posterior's are not claimed "
    "together at that δ."
)
_ROUNDING = 1e-12
"""Relative error of a float64 mean of losses, far above it."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """A finished run, from which certificates of other objects are made.

    Attributes:
        model: The model that was certified, at the posterior's centre.
        sample: The data.
        settings: As they were.
        certificates: The posterior's, one for each loss.
        folder: Where networks are written, each into a folder of its own.
        track: Told about stages and progress.
    """

    model: FineTuned
    sample: Sample
    settings: Settings
    certificates: tuple[Certificate, ...]
    folder: Path
    track: Track = untold

    @cached_property
    def strata(self) -> list[tuple[Unit, ...]]:
        """The units of each stratum as tokens."""
        return [self._encode(part) for part in self.sample.strata]

    @cached_property
    def held_out(self) -> list[tuple[Unit, ...]]:
        """The held-out units of each stratum, or nothing."""
        return [self._encode(part) for part in self.sample.held_out]

    def _encode(self, part: Part) -> tuple[Unit, ...]:
        return part.encode(self.model.tokenizer, max_length=self.model.context)

    def scorer(self, stage: str, strata: Sequence[Sequence[Unit]]) -> Scorer:
        """Scores with the run's losses; progress counts to the examples of these strata, if any."""
        total = sum(len(unit) for units in strata for unit in units)
        return replace(self.settings.scorer(self.model), tick=self.track(stage, total or None))

    def losses(self, name: str) -> NetworkLosses:
        """All losses of the network that the model computes with now."""
        scorer = self.scorer(f"{name} network", [*self.strata, *self.held_out])
        return NetworkLosses(
            strata=[scorer.at_centre(units) for units in self.strata],
            held_out=[scorer.at_centre(units) for units in self.held_out],
        )

    def shares(self, event: str) -> tuple[Delta, list[float]]:
        """Equal parts of δ for one event in each stratum."""
        ledger = DeltaLedger(self.settings.delta)
        names = [part.name for part in self.sample.strata]
        shares = ledger.split([event.format(name) for name in names])
        entries = tuple(LedgerEntry(event=event, delta=share) for event, share in ledger.entries)
        return Delta(total=self.settings.delta, ledger=entries), shares


@dataclass(frozen=True, kw_only=True)
class NetworkLosses:
    """Losses of one network: for each stratum an array of shape (losses, units)."""

    strata: list[FloatArray]
    held_out: list[FloatArray]


@dataclass(frozen=True, kw_only=True)
class Evaluated:
    """What a theorem says of one network on one stratum."""

    risk_bound: tuple[float, float]
    bounds: dict[str, float]
    complexity: Complexity


def network_certificates(
    run: Run,
    *,
    what: CertifiedObject,
    losses: NetworkLosses,
    event: str,
    theorem: Callable[[FloatArray, float], Evaluated],
    **changes: Any,
) -> tuple[Certificate, ...]:
    """Certificates of one network on fresh units: those of the posterior with other strata.

    Args:
        run: The run.
        what: The network.
        losses: What it was measured to lose.
        event: The event of a stratum, with {} for its name.
        theorem: Takes the losses of the stratum's units and its δ.
        changes: Other fields of the certificates; `assumptions` are added to the posterior's.
    """
    further = changes.pop("assumptions")
    delta, shares = run.shares(event)
    certificates = []
    for place, base in enumerate(run.certificates):
        strata = tuple(
            _network_stratum(
                stratum,
                losses.strata[index][place],
                theorem(losses.strata[index][place], shares[index]),
                losses.held_out[index][place] if losses.held_out else None,
            )
            for index, stratum in enumerate(base.strata)
        )
        certificates.append(
            replace(
                base,
                object=what,
                delta=delta,
                strata=strata,
                joint={},
                assumptions=(*base.assumptions, *further, OWN_STATEMENT),
                **changes,
            )
        )
    return tuple(certificates)


def mean_interval(losses: FloatArray) -> tuple[float, float, float]:
    """The mean of measured losses, with the two numbers between which rounding leaves it."""
    mean = min(1.0, math.fsum(losses) / losses.size)
    return mean * (1 - _ROUNDING), mean, min(1.0, mean * (1 + _ROUNDING))


def _network_stratum(
    stratum: StratumCertificate,
    losses: FloatArray,
    found: Evaluated,
    held_out: FloatArray | None,
) -> StratumCertificate:
    held = _held_out(stratum.held_out, held_out)
    return network_stratum(stratum, mean_interval(losses), found, held_out=held)


def network_stratum(
    stratum: StratumCertificate,
    mean: tuple[float, float, float],
    found: Evaluated,
    **changes: Any,
) -> StratumCertificate:
    """A stratum of the posterior's certificate rewritten for one network.

    Args:
        stratum: The posterior's.
        mean: The network's mean loss between its two bounds, from `mean_interval`.
        found: What is certified.
        changes: Other fields.
    """
    low, middle, high = mean
    upper = found.risk_bound[1]
    parts = parts_of(
        upper=upper,
        empirical_risk=middle,
        empirical_risk_upper=high,
        complexity=found.complexity,
    )
    changes = {"bets": (), **changes}
    return replace(
        stratum,
        n_draws=1,
        sampling="loss of the one network, measured on every unit",
        empirical_risk=middle,
        empirical_risk_bound=(low, high),
        risk_bound=found.risk_bound,
        bounds=found.bounds,
        complexity=found.complexity,
        dominated_by=max(parts, key=lambda part: parts[part]),
        vacuous=upper == 1.0,
        **changes,
    )


def _held_out(before: HeldOut | None, losses: FloatArray | None) -> HeldOut | None:
    if before is None or losses is None:
        return None
    return replace(before, stochastic=held_out_risk(losses, before.stochastic.delta))
