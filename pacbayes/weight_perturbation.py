"""Choosing the posterior's scales with forward passes only.

The posterior may depend on the data in any way, so this search is free in the certificate; its
noise is a stream of its own, and the certificate is then evaluated with fresh noise.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from pacbayes.bounds import seeger_maurer
from pacbayes.certificate import TensorGroup
from pacbayes.data.sample import Unit
from pacbayes.losses import LOSSES
from pacbayes.models.fine_tuned import FineTuned
from pacbayes.posteriors import prior_scale
from pacbayes.posteriors.allocation import allocate
from pacbayes.posteriors.gaussian import best_prior_scale, kl_divergence
from pacbayes.posteriors.noise import Stream
from pacbayes.risk import NoiseKey, Scorer

Score = tuple[float, float]
"""The bound on a log scale, then its square-root form, which still tells vacuous bounds apart."""

_PROBE_FACTOR = 2.0
_COARSE, _FINE = 2.0, 2.0**0.5
_PROBE_SHARE = 4
"""Curvatures are measured on one pilot unit in so many: two sweeps for each tensor add up."""


@dataclass(frozen=True, kw_only=True)
class Pilot:
    """A few units of one stratum, and what the bound on the whole stratum will be made of."""

    units: Sequence[Unit]
    n: int
    delta: float
    stratum: int


@dataclass(frozen=True, kw_only=True)
class Scales:
    """Posterior and prior scales for every covered tensor.

    Attributes:
        groups: The Gaussian of each tensor.
        kl: KL(Q‖P) in nats, rounded up.
        prior_index: Place of the prior's factor on the grid of `prior_scale`.
        rule: How the posterior's scales were found.
    """

    groups: tuple[TensorGroup, ...]
    kl: float
    prior_index: int
    rule: str

    @property
    def sigmas(self) -> dict[str, float]:
        """Posterior scale by tensor name."""
        return {group.name: group.sigma_posterior for group in self.groups}


def with_best_prior(model: FineTuned, sigmas: Mapping[str, float], rule: str) -> Scales:
    """Completes posterior scales by the prior of the grid that has the smallest KL."""
    wanted = best_prior_scale(model.sizes, model.distances_squared, sigmas, model.relative_scales)

    def at(index: int) -> Scales:
        groups = tuple(
            TensorGroup(
                name=name,
                size=size,
                sigma_prior=prior_scale.scale(index) * model.relative_scales[name],
                sigma_posterior=sigmas[name],
                distance_squared=model.distances_squared[name],
            )
            for name, size in model.sizes.items()
        )
        return Scales(groups=groups, kl=kl_divergence(groups), prior_index=index, rule=rule)

    return min(map(at, prior_scale.neighbours(wanted)), key=lambda scales: scales.kl)


def choose_scales(scorer: Scorer, pilots: Sequence[Pilot], *, seed: int) -> Scales:
    """The scales with the smallest bound on the pilots, out of one-parameter families.

    Scales stored with the checkpoint were learned for a bound, and only their common factor is
    searched. Without them, the best of two: one multiple of the prior's relative scales, and the
    closed-form allocation for the measured curvatures, over its temperature.

    A posterior given as such is taken as it is.
    """

    def score(scales: Scales) -> Score:
        return pilot_score(scorer, pilots, scales, seed=seed)

    model = scorer.model
    if model.posterior_given:
        return with_best_prior(model, model.suggested_sigmas, "given")
    if model.suggested_sigmas:
        return _best_multiple(model, model.suggested_sigmas, 1.0, "stored", score)[1]
    start = _typical_multiple(model)
    flat = _best_multiple(model, model.relative_scales, start, "one multiple", score)
    curvatures = measure_curvatures(scorer, pilots, flat[1].sigmas, seed=seed)
    allocated = _best_temperature(model, curvatures, pilots[0].n, score)
    return min(flat, allocated, key=lambda pair: pair[0])[1]


def pilot_score(scorer: Scorer, pilots: Sequence[Pilot], scales: Scales, *, seed: int) -> Score:
    """The kl bound at the pilots' risks, its geometric mean over strata and losses.

    So small bounds count as much as large ones; all candidates see the same noise.
    """
    kl = scales.kl + prior_scale.LOG_COST
    bounds, roots = [], []
    for pilot in pilots:
        for risk in _risks(scorer, pilot, scales.sigmas, seed):
            bounds.append(seeger_maurer(empirical_risk=risk, kl=kl, n=pilot.n, delta=pilot.delta))
            roots.append(risk + math.sqrt(kl / (2 * pilot.n)))
    return fmean(map(math.log, bounds)), fmean(roots)


def measure_curvatures(
    scorer: Scorer, pilots: Sequence[Pilot], sigmas: Mapping[str, float], *, seed: int
) -> dict[str, float]:
    """Trace of the Hessian of the pilots' mean `nll` loss for each tensor, at least a tiny number.

    One antithetic pair of probes for each tensor alone, at twice its current scale: the mean of
    the two losses exceeds the unperturbed one by ½ σ² h.
    """
    smooth = replace(scorer, losses=(LOSSES["nll"],))
    pilots = [replace(p, units=p.units[: -(-len(p.units) // _PROBE_SHARE)]) for p in pilots]
    calm = sum(float(smooth.at_centre(p.units)[0].mean()) for p in pilots)
    curvatures = {}
    for name, sigma in sigmas.items():
        probe = {name: _PROBE_FACTOR * sigma}
        pair = sum(
            0.5 * _risks(smooth, pilot, probe, seed, sign=sign)[0]
            for pilot in pilots
            for sign in (1.0, -1.0)
        )
        curvatures[name] = 2 * (pair - calm) / probe[name] ** 2 / len(pilots)
    floor = 1e-3 * max([*curvatures.values(), 1e-12])
    return {name: max(h, floor) for name, h in curvatures.items()}


def _risks(
    scorer: Scorer, pilot: Pilot, sigmas: Mapping[str, float], seed: int, sign: float = 1.0
) -> list[float]:
    """The pilot's mean of each loss under one pass of draws."""
    key = NoiseKey(seed=seed, stream=Stream.PILOT, stratum=pilot.stratum)
    losses = scorer.under_noise(pilot.units, sigmas, key=key, draw=0, sign=sign)
    return [min(1.0, float(mean)) for mean in losses.mean(axis=1)]


def _typical_multiple(model: FineTuned) -> float:
    """The multiple at which the noise is as long as the step from prior to posterior."""
    none = dict.fromkeys(model.sizes, 0.0)
    return best_prior_scale(model.sizes, model.distances_squared, none, model.relative_scales)


def _best_multiple(
    model: FineTuned,
    shape: Mapping[str, float],
    start: float,
    rule: str,
    score: Callable[[Scales], Score],
) -> tuple[Score, Scales]:
    def at(multiple: float) -> Scales:
        return with_best_prior(model, {k: multiple * v for k, v in shape.items()}, rule)

    return _line_search(at, start, score)


def _best_temperature(
    model: FineTuned,
    curvatures: Mapping[str, float],
    n: int,
    score: Callable[[Scales], Score],
) -> tuple[Score, Scales]:
    def at(multiple: float) -> Scales:
        sigmas = allocate(
            temperature=n * multiple**-2,
            curvatures=curvatures,
            sizes=model.sizes,
            distances_squared=model.distances_squared,
            relative_scales=model.relative_scales,
        )
        return with_best_prior(model, sigmas, "allocated by curvature")

    return _line_search(at, 1.0, score)


def _line_search(
    at: Callable[[float], Scales], start: float, score: Callable[[Scales], Score]
) -> tuple[Score, Scales]:
    """Walks downhill on the logarithm of a multiple, first in coarse steps, then in fine ones."""
    seen: dict[float, tuple[Score, Scales]] = {}

    def value(multiple: float) -> Score:
        if multiple not in seen:
            scales = at(multiple)
            seen[multiple] = (score(scales), scales)
        return seen[multiple][0]

    here = start
    for step in (_COARSE, _FINE):
        for direction in (step, 1 / step):
            while value(here * direction) < value(here):
                here *= direction
    return seen[here]
