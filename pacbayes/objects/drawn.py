"""One network drawn from the posterior: a model to deploy, certified as it is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from pacbayes.bounds import certified, log_xi
from pacbayes.certificate import Certificate, CertifiedObject, Complexity, Posterior, TensorGroup
from pacbayes.data.records import sha256_of
from pacbayes.errors import InputError
from pacbayes.models.fine_tuned import FineTuned
from pacbayes.models.loading import Source
from pacbayes.models.noise import Place, with_further
from pacbayes.models.posterior_file import read_posterior
from pacbayes.models.writing import computing_with, write_checkpoint
from pacbayes.objects.run import Evaluated, FloatArray, Run, mean_interval, network_certificates
from pacbayes.posteriors import density, noise
from pacbayes.posteriors.family import Spread
from pacbayes.posteriors.prior import GaussianPrior
from pacbayes.posteriors.spread import ONE_SCALE, as_family

DRAWN_ONCE = (
    "The network was drawn from the posterior once, with noise fixed by the seed, and never drawn "
    "again: the best of several draws is not certified."
)
ROUNDED = (
    "The density ratio is that of the draw before rounding; the loss of a draw is defined as the "
    "loss of the network that it is rounded to, which is the one that was written."
)
_RELATIVE_ERROR = 1e-12
"""As in `posteriors.gaussian`: far above the float64 rounding of the sums."""


@dataclass(frozen=True, kw_only=True)
class Draw:
    """A network h drawn from Q.

    Attributes:
        weights: Its covered tensors in float64, before rounding.
        log_ratio_by_group: ln (dQ/dP)(h) of each group in nats, rounded up; parts can be negative.
    """

    weights: Mapping[str, Tensor]
    log_ratio_by_group: Mapping[str, float]

    @property
    def log_ratio(self) -> float:
        """The sum: ln (dQ/dP)(h) in nats, rounded up, and at least 0, which the bound allows."""
        total = math.fsum(self.log_ratio_by_group.values())
        return max(0.0, math.nextafter(total, math.inf))


def noise_of(posterior: Posterior) -> dict[str, Spread]:
    """The law of each tensor's noise: from the certificate, or from the file that it names.

    Raises:
        InputError: The file cannot be read, or is another by now.
    """
    if posterior.family == ONE_SCALE:
        return {group.name: group.sigma_posterior for group in posterior.groups}
    path = Path(posterior.centre.path)
    if sha256_of(path) != posterior.centre.sha256:
        raise InputError("is no longer the posterior that was certified.", path=path)
    return read_posterior(path)[1]


def draw(
    model: FineTuned, posterior: Posterior, *, seed: int, laws: Mapping[str, Spread] | None = None
) -> Draw:
    """The one network of this posterior and this seed.

    Args:
        model: At the posterior's centre.
        posterior: Q.
        seed: Of the noise.
        laws: What `noise_of` gives, if that is known.
    """
    laws = noise_of(posterior) if laws is None else laws
    once = noise.Draw(
        key=noise.NoiseKey(seed=seed, stream=noise.Stream.DRAWN_NETWORK, stratum=0),
        number=0,
        unit=0,
    )
    groups = {group.name: group for group in posterior.groups}
    weights, ratios = {}, {}
    for part, (name, tensor) in enumerate(model.noise.tensors.items()):
        normals = noise.standard_normals([once], tensor.numel(), part=part)
        centre, prior = tensor.detach().cpu().double(), model.prior_centre[name].detach().double()
        law = laws[name]
        if isinstance(law, float):
            z = normals[0].double().reshape(tensor.shape)
            weights[name] = centre + law * z
            ratios[name] = log_density_ratio(groups[name], z, centre - prior)
        else:
            place = Place(part=part, size=tensor.numel(), start=0, index=part)
            normals = with_further(normals, law, place, [once], centre)
            alone = as_family(name, law, centre)
            weights[name] = centre + alone.noise(normals.double())[name][0]
            scale = torch.tensor(groups[name].sigma_prior, dtype=torch.float64)
            ratios[name] = density.log_density_ratio(
                alone,
                GaussianPrior(centre={name: prior}, scales={name: scale}),
                {name: weights[name]},
            )
    return Draw(weights=weights, log_ratio_by_group=ratios)


def log_density_ratio(group: TensorGroup, z: Tensor, shift: Tensor) -> float:
    """Log density of N(w, σ_Q²) less that of N(w₀, σ_P²), at w + σ_Q z, rounded up, in nats.

    It is d ln(σ_P/σ_Q) − ‖z‖²/2 + ‖σ_Q z + w − w₀‖²/(2 σ_P²).

    Args:
        group: The scales.
        z: Standard normal noise, float64.
        shift: w − w₀, float64.
    """
    terms = (
        z.numel() * math.log(group.sigma_prior / group.sigma_posterior),
        -0.5 * float(z.square().sum()),
        0.5 * float((group.sigma_posterior * z + shift).square().sum()) / group.sigma_prior**2,
    )
    return math.fsum(terms) + _RELATIVE_ERROR * math.fsum(map(abs, terms))


def write_draw(run: Run) -> tuple[Draw, Source]:
    """Draws the run's network and writes it."""
    posterior = run.certificates[0].posterior
    laws = run.settings.team.led(lambda: noise_of(posterior))
    found = draw(run.model, posterior, seed=run.settings.seed, laws=laws)
    with computing_with(run.model, found.weights):
        folder = run.folder / "drawn"
        return found, run.settings.team.led(lambda: write_checkpoint(run.model, folder))


def described(source: Source, *, target: Literal["fresh", "tokens"], mean: str) -> CertifiedObject:
    """The drawn network as the object of a certificate."""
    return CertifiedObject(
        kind="drawn",
        description=f"one network drawn once from the posterior; {mean}",
        target=target,
        path=source.path,
        sha256=source.sha256,
        code_bits=None,
    )


def certify_drawn(run: Run) -> tuple[Certificate, ...]:
    """Certifies the one network: with probability ≥ 1 − δ over the sample and the draw.

    kl(r̂(h)‖R(h)) ≤ (ln (dQ/dP)(h) + ln(J ξ(n)/δ))/n for all J scales of the prior's grid, both
    sides. The loss of the network on the sample is measured without any sampling.
    """
    found, source = write_draw(run)
    with computing_with(run.model, found.weights):
        losses = run.losses("drawn")
    grid_cost = run.certificates[0].prior.scale_grid.log_cost

    def theorem(values: FloatArray, delta: float) -> Evaluated:
        return _evaluate(values, found.log_ratio, grid_cost, delta)

    return network_certificates(
        run,
        what=described(source, target="fresh", mean="its mean loss on fresh units"),
        losses=losses,
        event="kl bound of stratum {} for the drawn network, both sides, all prior scales",
        theorem=theorem,
        kl=found.log_ratio,
        kl_by_group=dict(found.log_ratio_by_group),
        assumptions=(DRAWN_ONCE, ROUNDED),
    )


def _evaluate(losses: FloatArray, log_ratio: float, grid_cost: float, delta: float) -> Evaluated:
    low, _, high = mean_interval(losses)
    n = losses.size
    terms: Any = {"kl": math.nextafter(log_ratio + grid_cost, math.inf), "n": n, "delta": delta}
    upper = certified("disintegrated_kl", empirical_risk=high, **terms)
    lower = certified("disintegrated_kl_lower", empirical_risk=low, **terms)
    return Evaluated(
        risk_bound=(lower, upper),
        bounds={"disintegrated_kl": upper},
        complexity=Complexity(
            kl=log_ratio / n, log_term=(grid_cost + log_xi(n) - math.log(delta)) / n
        ),
    )
