"""One stratum's certificate, from the posterior's empirical risk and its KL."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from pacbayes.bounds import certified, log_kt_constant, log_xi
from pacbayes.certificate import Complexity, HeldOut, HeldOutRisk, StratumCertificate, parts_of
from pacbayes.data.records import sha256_of
from pacbayes.data.sample import Part, Unit
from pacbayes.draws import Estimate
from pacbayes.models.fine_tuned import FineTuned
from pacbayes.posteriors.noise import NoiseKey, Stream
from pacbayes.risk import FloatArray, Scorer
from pacbayes.settings import Settings, Shares
from pacbayes.weight_perturbation import Scales


@dataclass(frozen=True, kw_only=True)
class EncodedPart:
    """A part of the sample with its units as token ids."""

    part: Part
    units: tuple[Unit, ...]

    @classmethod
    def encode(cls, part: Part, model: FineTuned) -> EncodedPart:
        """With the model's tokenizer, no longer than its context."""
        return cls(part=part, units=part.encode(model.tokenizer, max_length=model.context))

    @property
    def n_unscorable(self) -> int:
        """Records that count as loss 1."""
        return sum(example.unscorable is not None for unit in self.units for example in unit)


def complexity_of(n: int, scales: Scales, shares: Shares, *, graded: bool) -> Complexity:
    """What the bound pays on each of n units, in its two parts.

    Graded losses have the event of the log-wealth bound, losses 0 or 1 that of the kl bound with
    exact ξ(n), on which it is smaller; which one is settled before any loss is seen.
    """
    constant = log_kt_constant(n) if graded else log_xi(n)
    return Complexity(
        kl=scales.kl / n,
        log_term=(scales.grid.log_cost + constant - math.log(shares.kl_bound)) / n,
    )


def certify_stratum(
    stratum: EncodedPart,
    estimate: Estimate,
    centre: FloatArray,
    scales: Scales,
    shares: Shares,
    held_out: HeldOut | None,
    prior_held_out: HeldOutRisk | None,
) -> StratumCertificate:
    """Both sides of the bound, from both ends of the Monte-Carlo interval.

    Args:
        stratum: The stratum.
        estimate: The posterior's empirical risk on it.
        centre: Losses without noise, shape (units,).
        scales: Posterior, prior and their KL.
        shares: What the stratum may spend of δ.
        held_out: Test-set bounds to be shown beside.
        prior_held_out: That of the prior's own model.
    """
    n = stratum.part.n
    bounds, lower = _bounds(estimate, scales, shares, n)
    upper = min(bounds.values())
    complexity = complexity_of(n, scales, shares, graded=bool(estimate.bets))
    parts = parts_of(
        upper=upper,
        empirical_risk=estimate.mean,
        empirical_risk_upper=estimate.interval[1],
        complexity=complexity,
    )
    return StratumCertificate(
        name=stratum.part.name,
        n=n,
        n_records=stratum.part.n_records,
        n_draws=estimate.n_draws,
        sampling=estimate.method,
        n_unscorable=stratum.n_unscorable,
        empirical_risk=estimate.mean,
        empirical_risk_bound=estimate.interval,
        bets=estimate.bets,
        unperturbed_risk=float(centre.mean()),
        risk_bound=(lower, upper),
        bounds=bounds,
        complexity=complexity,
        dominated_by=max(parts, key=lambda part: parts[part]),
        held_out=held_out,
        prior_held_out=prior_held_out,
        vacuous=upper == 1.0,
    )


def _bounds(
    estimate: Estimate, scales: Scales, shares: Shares, n: int
) -> tuple[dict[str, float], float]:
    """Upper bounds on one event, by name, and the largest lower bound on it."""
    kl = math.nextafter(scales.kl + scales.grid.log_cost, math.inf)
    terms: Any = {"kl": kl, "n": n, "delta": shares.kl_bound}
    low, high = estimate.interval
    if not estimate.bets:
        upper = {
            name: certified(name, empirical_risk=high, **terms)
            for name in ("seeger_maurer", "pinsker")
        }
        return upper, certified("seeger_maurer_lower", empirical_risk=low, **terms)
    above, below = ({"lam": bet.lam, "mean_log": bet.mean_log, **terms} for bet in estimate.bets)
    upper = {
        "log_wealth_at": certified("log_wealth_at", **above),
        "time_uniform_kl": certified("time_uniform_kl", empirical_risk=high, **terms),
    }
    lower = (
        certified("log_wealth_at_lower", **below),
        certified("time_uniform_kl_lower", empirical_risk=low, **terms),
    )
    return upper, max(lower)


def losses_at_prior(scorer: Scorer, units: Sequence[Unit]) -> FloatArray:
    """Losses at the prior's centre, shape (losses, units); the model is put back afterwards."""
    trained = {k: tensor.detach().clone() for k, tensor in scorer.model.noise.tensors.items()}
    at_prior = scorer.model.recentred(scorer.model.prior_centre)
    try:
        return replace(scorer, model=at_prior).at_centre(units)
    finally:
        scorer.model.recentred(trained)


def held_out_of(
    scorer: Scorer, stratum: EncodedPart, scales: Scales, settings: Settings, index: int
) -> list[HeldOut]:
    """Test-set bounds of the same posterior and of its centre, each at δ on its own."""
    key = NoiseKey(seed=settings.seed, stream=Stream.HELD_OUT, stratum=index)
    single = replace(scorer, block=1)  # a draw of its own for each unit: independent losses
    noisy = single.under_noise(stratum.units, scales.noise, key=key, draw=0)
    calm = scorer.at_centre(stratum.units)
    records = [record for unit in stratum.part.units for record in unit]
    path = Path(records[0].path)
    return [
        HeldOut(
            path=str(path),
            sha256=sha256_of(path),
            n=stratum.part.n,
            stochastic=held_out_risk(with_noise, settings.delta),
            unperturbed=held_out_risk(without, settings.delta),
        )
        for with_noise, without in zip(noisy, calm, strict=True)
    ]


def held_out_risk(losses: FloatArray, delta: float) -> HeldOutRisk:
    """Two-sided interval: Clopper–Pearson where every loss is 0 or 1, else the kl interval."""
    n, mean = len(losses), min(1.0, float(losses.mean()))
    half = delta / 2
    if bool(np.isin(losses, (0.0, 1.0)).all()):
        errors = int(losses.sum())
        interval = _both_sides("test_set_binomial", n_errors=errors, n=n, delta=half)
        return HeldOutRisk(n_errors=errors, mean=errors / n, interval=interval, delta=delta)
    interval = _both_sides("test_set_kl", empirical_risk=mean, n=n, delta=half)
    return HeldOutRisk(n_errors=None, mean=mean, interval=interval, delta=delta)


def _both_sides(name: str, **arguments: float) -> tuple[float, float]:
    return certified(f"{name}_lower", **arguments), certified(name, **arguments)
