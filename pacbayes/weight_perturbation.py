"""Choosing the posterior's scales with forward passes only.

The posterior may depend on the data in any way, so this search is free in the certificate; its
noise is a stream of its own, and the certificate is then evaluated with fresh noise.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean
from typing import Literal

from torch import Tensor

from pacbayes.bets import promised
from pacbayes.bounds import log_kt_constant, seeger_maurer
from pacbayes.certificate import TensorGroup
from pacbayes.data.sample import Unit
from pacbayes.losses import LOSSES, is_graded
from pacbayes.models.fine_tuned import FineTuned
from pacbayes.models.gauge import gauges
from pacbayes.models.trainable import LEARNED
from pacbayes.posteriors.allocation import allocate
from pacbayes.posteriors.family import Spread
from pacbayes.posteriors.gaussian import best_prior_scale, kl_divergence
from pacbayes.posteriors.groups import match_groups
from pacbayes.posteriors.noise import NoiseKey, Stream
from pacbayes.posteriors.prior_scale import GRID, Grid
from pacbayes.posteriors.spread import as_drawn, moments, scaled
from pacbayes.risk import FloatArray, Scorer

Score = tuple[float, float]
"""The bound on a log scale, then its square-root form, which still tells vacuous bounds apart."""

Family = Literal["isotropic", "per-group", "per-tensor", "diagonal"]
"""One multiple of the prior's own scales for all tensors, for each named group, for each tensor;
for each weight, which is only learned: the search gives it scales of tensors to start from."""

GIVEN = "given"
"""The rule of a posterior that is certified as it was saved."""

_MOST_ROUNDS = 6
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

    def bound(self, losses: FloatArray, kl: float, *, graded: bool) -> float:
        """The upper bound, were the posterior's losses those of the pilot."""
        if graded:
            constant = float(log_kt_constant(self.n))
            return promised(losses, complexity=(kl + constant - math.log(self.delta)) / self.n)
        risk = min(1.0, float(losses.mean()))
        return float(seeger_maurer(empirical_risk=risk, kl=kl, n=self.n, delta=self.delta))


@dataclass(frozen=True, kw_only=True)
class Scales:
    """Posterior and prior scales for every covered tensor.

    Attributes:
        groups: The Gaussian of each tensor.
        kl: KL(Q‖P) in nats, rounded up.
        grid: The scales that the prior's factor may have.
        prior_index: Place of the prior's factor on the grid.
        rule: How the posterior's scales were found.
        noise: The law of each tensor's noise under the posterior.
    """

    groups: tuple[TensorGroup, ...]
    kl: float
    grid: Grid
    prior_index: int
    rule: str
    noise: Mapping[str, Spread] = field(compare=False)

    @property
    def sigmas(self) -> dict[str, float]:
        """Posterior scale by tensor name, the root mean square of those of its weights."""
        return {group.name: group.sigma_posterior for group in self.groups}


@dataclass(frozen=True, kw_only=True)
class Found:
    """Scales with their score."""

    score: Score
    scales: Scales


def with_best_prior(
    model: FineTuned, noise: Mapping[str, Spread], rule: str, grid: Grid = GRID
) -> Scales:
    """Completes the posterior's noise by the prior of the grid that has the smallest KL."""
    noise = {name: as_drawn(noise[name]) for name in model.sizes}
    found = {name: moments(name, noise[name]) for name in model.sizes}
    sigmas = {name: each.sigma for name, each in found.items()}
    wanted = best_prior_scale(model.sizes, model.distances_squared, sigmas, model.relative_scales)

    def at(index: int) -> Scales:
        groups = tuple(
            TensorGroup(
                name=name,
                size=size,
                sigma_prior=grid.scales[index] * model.relative_scales[name],
                sigma_posterior=sigmas[name],
                distance_squared=model.distances_squared[name],
                anisotropy=found[name].anisotropy,
            )
            for name, size in model.sizes.items()
        )
        kl = kl_divergence(groups)
        return Scales(groups=groups, kl=kl, grid=grid, prior_index=index, rule=rule, noise=noise)

    return min(map(at, grid.neighbours(wanted)), key=lambda scales: scales.kl)


@dataclass(frozen=True, kw_only=True)
class Search:
    """The search for scales with a small bound on the pilots.

    The score of a candidate is the bound at the pilot's losses, its geometric mean over strata and
    losses, so that small bounds count as much as large ones; all candidates see the same noise.

    Attributes:
        scorer: Scores with the losses of the certificate.
        pilots: A few units of each stratum.
        seed: Of the pilots' noise.
        grid: The scales that the prior may have.
        family: Which posteriors are searched, see `Family`.
        groups: Patterns of tensor names by group, for the family of that name.
    """

    scorer: Scorer
    pilots: Sequence[Pilot]
    seed: int
    grid: Grid = GRID
    family: Family = "per-tensor"
    groups: Mapping[str, str] = field(default_factory=dict)

    def score(self, scales: Scales) -> Score:
        """The smaller the better."""
        kl = scales.kl + self.grid.log_cost
        bounds, roots = [], []
        for pilot in self.pilots:
            drawn = _losses(self.scorer, pilot, scales.noise, self.seed)
            for loss, values in zip(self.scorer.losses, drawn, strict=True):
                bounds.append(pilot.bound(values, kl, graded=is_graded(loss, pilot.units)))
                roots.append(float(values.mean()) + math.sqrt(kl / (2 * pilot.n)))
        return fmean(map(math.log, bounds)), fmean(roots)

    def best(self) -> Found:
        """The best of one-parameter families of scales, then of single steps for kinds of tensors.

        Scales stored with the checkpoint were learned for a bound, and only their common factor is
        searched. Without them: one multiple of the prior's relative scales, and the closed-form
        allocation for the measured curvatures, over its temperature.
        """
        if self.grid.size > 1:
            return self._best_of_family()
        # the prior's own noise costs nothing but the distance, and steps could pass it by
        alike = self._best_multiple(
            self.scorer.model.relative_scales, self.grid.scales[0], "as the prior's"
        )
        return min(alike, self._best_of_family(), key=lambda found: found.score)

    def _best_of_family(self) -> Found:
        model = self.scorer.model
        if model.suggested_noise and self.family in LEARNED:
            return self._best_multiple(model.suggested_noise, 1.0, "stored")
        start = _typical_multiple(model)
        flat = self._best_multiple(model.relative_scales, start, "one multiple")
        if self.family == "isotropic":
            return flat
        if self.family == "per-group":
            return self._grouped(flat)
        curvatures = measure_curvatures(
            self.scorer, self.pilots, flat.scales.sigmas, seed=self.seed
        )
        allocated = self._best_temperature(curvatures)
        kinds = {name: _kind(name) for name in model.sizes}
        return self._stepped(min(flat, allocated, key=lambda found: found.score), kinds)

    def _grouped(self, flat: Found) -> Found:
        """A multiple for each group, by steps from one for all until none improves the score."""
        matched = match_groups(self.scorer.model.sizes, self.groups)
        group_of = {name: group for group, names in matched.items() for name in names}
        found = replace(flat, scales=replace(flat.scales, rule="a multiple for each group"))
        for _ in range(_MOST_ROUNDS):
            before, found = found, self._stepped(found, group_of)
            if not found.score < before.score:
                break
        return found

    def _at(self, noise: Mapping[str, Spread], rule: str) -> Found:
        scales = with_best_prior(self.scorer.model, noise, rule, self.grid)
        return Found(score=self.score(scales), scales=scales)

    def _best_multiple(self, shape: Mapping[str, Spread], start: float, rule: str) -> Found:
        return _line_search(
            lambda multiple: self._at({k: scaled(v, multiple) for k, v in shape.items()}, rule),
            start,
        )

    def _best_temperature(self, curvatures: Mapping[str, float]) -> Found:
        model = self.scorer.model

        def at(multiple: float) -> Found:
            sigmas = allocate(
                temperature=self.pilots[0].n * multiple**-2,
                curvatures=curvatures,
                sizes=model.sizes,
                distances_squared=model.distances_squared,
                relative_scales=model.relative_scales,
            )
            return self._at(sigmas, "allocated by curvature")

        return _line_search(at, 1.0)

    def _stepped(self, found: Found, group_of: Mapping[str, str]) -> Found:
        """One step up or down for each group of tensors, kept where it improves the score."""
        for group in dict.fromkeys(group_of.values()):
            for step in (_FINE, 1 / _FINE):
                sigmas = {
                    name: sigma * step if group_of[name] == group else sigma
                    for name, sigma in found.scales.sigmas.items()
                }
                found = min(found, self._at(sigmas, found.scales.rule), key=lambda f: f.score)
        return found


def _kind(name: str) -> str:
    """The name without its numbers: one kind for a tensor's namesakes in all layers."""
    return re.sub(r"\d+", "*", name)


def choose_posterior(search: Search, *, gauge: bool = True) -> tuple[FineTuned, Scales]:
    """The scales that `Search.best` finds, at the best of the centres with the same products.

    A LoRA gauge is kept only if the score is better than with the factors as they were trained. A
    posterior that was given as such is taken as it is.

    Args:
        search: How scales are searched.
        gauge: Whether other factors are tried at all.

    Returns:
        The model, which now computes with the chosen centre, and the scales.
    """
    model = search.scorer.model
    if model.posterior_given:
        return model, with_best_prior(model, model.suggested_noise, GIVEN, search.grid)
    best = search.best()
    trained = {name: tensor.detach().clone() for name, tensor in model.noise.tensors.items()}
    chosen: Mapping[str, Tensor] = trained
    if gauge and not model.suggested_noise:
        for name, centre in gauges(model).items():
            moved = replace(search.scorer, model=model.recentred(centre))
            found = replace(search, scorer=moved).best()
            if found.score < best.score:
                rule = f"{found.scales.rule}; factors {name}"
                best = replace(found, scales=replace(found.scales, rule=rule))
                chosen = centre
            model.recentred(trained)
    return replace(model.recentred(chosen), moved=chosen is not trained), best.scales


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
        probe = _PROBE_FACTOR * sigma
        pair = sum(
            0.5 * float(_losses(smooth, pilot, {name: signed}, seed)[0].mean())
            for pilot in pilots
            for signed in (probe, -probe)
        )
        curvatures[name] = 2 * (pair - calm) / probe**2 / len(pilots)
    floor = 1e-3 * max([*curvatures.values(), 1e-12])
    return {name: max(h, floor) for name, h in curvatures.items()}


def _losses(scorer: Scorer, pilot: Pilot, noise: Mapping[str, Spread], seed: int) -> FloatArray:
    """The pilot's losses under one pass of draws, shape (losses, units)."""
    key = NoiseKey(seed=seed, stream=Stream.PILOT, stratum=pilot.stratum)
    return scorer.under_noise(pilot.units, noise, key=key, draw=0)


def _typical_multiple(model: FineTuned) -> float:
    """The multiple at which the noise is as long as the step from prior to posterior."""
    none = dict.fromkeys(model.sizes, 0.0)
    return best_prior_scale(model.sizes, model.distances_squared, none, model.relative_scales)


def _line_search(at: Callable[[float], Found], start: float) -> Found:
    """Walks downhill on the logarithm of a multiple, first in coarse steps, then in fine ones."""
    seen: dict[float, Found] = {}

    def value(multiple: float) -> Score:
        if multiple not in seen:
            seen[multiple] = at(multiple)
        return seen[multiple].score

    here = start
    for step in (_COARSE, _FINE):
        for direction in (step, 1 / step):
            while value(here * direction) < value(here):
                here *= direction
    return seen[here]
