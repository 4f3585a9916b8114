"""Moving a posterior towards a smaller bound by gradient steps on the certification data.

The posterior may depend on the data in any way, so the steps cost nothing in the certificate. They
look at a differentiable surrogate and at noise of their own; the certificate is then evaluated with
fresh noise, the real loss and a prior scale from the grid.
References: Dziugaite & Roy (2017); Pérez-Ortiz et al. (2021).
"""

from __future__ import annotations

import hashlib
import io
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pacbayes.errors import InputError, refusing
from pacbayes.files import write_atomically
from pacbayes.mini_batches import MiniBatch
from pacbayes.models.fine_tuned import FineTuned
from pacbayes.models.noise import beside
from pacbayes.models.posterior_file import NAME, kept_in, write_posterior
from pacbayes.models.trainable import TrainablePosterior
from pacbayes.objectives import running_risk, seeger_maurer
from pacbayes.posteriors.family import Spread
from pacbayes.posteriors.noise import Draw, NoiseKey, Stream
from pacbayes.scale_gradients import ScaleGradients
from pacbayes.surrogates import SURROGATES
from pacbayes.weight_perturbation import Pilot, Scales, Search

OPTIMISED = "optimised"
"""How the rule of a posterior begins that was moved by gradient steps."""

_WARM_UP = 10

Tick = Callable[..., None]
"""Told the examples just seen, and in words how far the bound has come."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How to optimise.

    Attributes:
        steps: Gradient steps of Adam, each on one mini-batch of `Scorer.batch_size` units.
        seed: Of mini-batches and noise.
        folder: Where `posterior.safetensors` and the state of unfinished runs go.
        dependencies: What the starting point is a function of; another value, another state.
        rate: Learning rate of the means in units of each tensor's starting scale; half of that of
            the scales' logarithms. Both fall to zero along a cosine.
        save_every: Steps between two writings of the state.
    """

    steps: int
    seed: int
    folder: Path
    dependencies: Mapping[str, Any] = field(default_factory=dict)
    rate: float = 0.02
    save_every: int = 25


def improve(
    search: Search,
    strata: Sequence[Pilot],
    scales: Scales,
    plan: Plan,
    tick: Tick = lambda _examples, _note="": None,
) -> tuple[FineTuned, Scales]:
    """The optimised posterior if its bound on the pilots is smaller, else the one given.

    Args:
        search: What posteriors are compared with; its model is at the starting centre.
        strata: All units of each stratum, with the δ of its bound.
        scales: The starting scales.
        plan: How long and how.
        tick: Told about progress.

    Returns:
        The model, which computes with the chosen centre, and its scales. An optimised posterior has
        been written to the plan's folder.

    Raises:
        InputError: See `optimize`; also a given posterior that would be overwritten.
    """
    model, team = search.scorer.model, search.scorer.team
    path = plan.folder / NAME
    if Path(model.posterior.path).absolute() == path.absolute():
        raise InputError("would be overwritten by --optimize; choose another --out.", path=NAME)
    before = {name: tensor.detach().clone() for name, tensor in model.noise.tensors.items()}
    means, noise = team.led(lambda: optimize(search, strata, scales, plan, tick))
    search = replace(search, scorer=replace(search.scorer, tick=lambda _: None))
    moved = replace(
        model.recentred(means),
        suggested_noise=beside(noise, model.noise.tensors),
        posterior_given=False,
    )
    found = replace(search, scorer=replace(search.scorer, model=moved)).best()
    restored = model.recentred(before)
    if found.score >= search.score(scales):
        team.led(lambda: path.unlink(missing_ok=True))  # of an earlier run, certified no longer
        return restored, scales
    model.recentred(means)
    better = replace(found.scales, rule=f"{OPTIMISED}, {plan.steps} steps")
    source = team.led(lambda: write_posterior(path, moved, better.noise))
    return kept_in(moved, source), better


def optimize(
    search: Search,
    strata: Sequence[Pilot],
    scales: Scales,
    plan: Plan,
    tick: Tick = lambda _examples, _note="": None,
) -> tuple[dict[str, Tensor], dict[str, Spread]]:
    """Minimises the bound over the means of all covered tensors and a log-scale for each.

    If the search is for the family `diagonal`, over a log-scale for each of their weights.

    Everything random is keyed by the step, and the state is kept on disk every few steps, so that a
    run that was stopped goes on to the same bits.

    Returns:
        Means and scales after the last step, on the CPU.

    Raises:
        InputError: The bound is no longer finite.
    """
    run = _Run(search, strata, scales, plan)
    state = plan.folder / "optimize" / f"{_key(search, strata, scales, plan)}.pt"
    run.load(state)
    while run.step < plan.steps:
        n_examples, bound = run.advance()
        tick(n_examples, f"bound of the surrogate {bound:.4f}")
        if run.step % plan.save_every == 0 or run.step == plan.steps:
            run.save(state)
    return {k: v.detach().cpu() for k, v in run.means.items()}, run.noise


class _Run:
    """Means, log-scales, Adam and running risks: all that changes from step to step."""

    def __init__(self, search: Search, strata: Sequence[Pilot], scales: Scales, plan: Plan) -> None:
        model = search.scorer.model
        self._model, self._losses = model.model, [loss.name for loss in search.scorer.losses]
        self._strata, self._plan = strata, plan
        self._size, self._log_cost = search.scorer.batch_size, search.grid.log_cost
        self._key = NoiseKey(seed=plan.seed, stream=Stream.TRAINING, stratum=0)
        self.step = 0
        self.means = {name: _wide(t).requires_grad_() for name, t in model.noise.tensors.items()}
        logs = _log_sigmas(scales, self.means, for_weights=search.family == "diagonal")
        self._log_sigmas = logs.requires_grad_()
        self._posterior = TrainablePosterior(
            model=model.model,
            noise=model.noise,
            means=self.means,
            log_sigmas=self._log_sigmas,
            prior_centre=model.prior_centre,
            relative_scales=model.relative_scales,
            grid=search.grid,
        )
        self._risks = torch.full((len(self._losses), len(strata)), math.nan, dtype=torch.float64)
        self._rates = [plan.rate * scales.sigmas[name] for name in self.means]
        self._rates.append(2 * plan.rate)
        leaves = [*self.means.values(), self._log_sigmas]
        self._for_weights = (
            ScaleGradients(self.means, self._log_sigmas) if search.family == "diagonal" else None
        )
        self._adam = torch.optim.Adam([{"params": [leaf]} for leaf in leaves])

    @property
    def noise(self) -> dict[str, Spread]:
        sigmas = {name: sigma.detach().cpu() for name, sigma in self._posterior.sigmas.items()}
        # in the type that noise is made in: what is certified is what is drawn
        return {k: sigma.float() if sigma.ndim else sigma.item() for k, sigma in sigmas.items()}

    def advance(self) -> tuple[int, float]:
        """One gradient step: the number of examples it saw, and the bound before it."""
        batch = MiniBatch.drawn(self._strata, self._size, self.step, self._plan.seed)
        risks, kl = self._surrogate_risks(batch), self._posterior.kl()
        if not bool(torch.isfinite(risks).all() & torch.isfinite(kl)):
            raise InputError(f"--optimize diverged: the bound is not finite in step {self.step}.")
        bound = self._bound(risks, kl)
        self._adam.zero_grad()
        if self._for_weights is None:
            bound.backward(inputs=[*self.means.values(), self._log_sigmas])
        else:
            self._for_weights.backward(bound, risks, kl)
        for group, rate in zip(self._adam.param_groups, self._rates, strict=True):
            group["lr"] = rate * _schedule(self.step, self._plan.steps)
        self._adam.step()
        self.step += 1
        return len(batch.examples), math.exp(bound.item())

    def _bound(self, risks: Tensor, kl: Tensor) -> Tensor:
        """Mean logarithm over losses and strata of the kl bound, graded losses included."""
        steady, self._risks = running_risk(self._risks, risks)
        # weights that sum to 1 do so but for an ulp or two
        steady = steady - (steady.detach() - 1).clamp(min=0)
        bounds = [
            seeger_maurer(
                empirical_risk=steady[:, place], kl=kl + self._log_cost, n=part.n, delta=part.delta
            )
            for place, part in enumerate(self._strata)
        ]
        return torch.stack(bounds).log().mean()

    def _surrogate_risks(self, batch: MiniBatch) -> Tensor:
        """Surrogate risk of each loss on each stratum's share of the batch, float64."""
        ids, labels = batch.tensors()
        draws = [Draw(key=self._key, number=self.step, unit=place) for place in batch.places]
        ids = ids.to(next(self._model.parameters()).device)
        with self._posterior.perturbed(draws, ids.shape[1]):
            logits = self._model(input_ids=ids, use_cache=False).logits
        labels = labels.to(logits.device)
        losses = torch.stack([SURROGATES[name](logits, labels) for name in self._losses])
        return losses.double().cpu() @ batch.weights + batch.unscorable

    def save(self, path: Path) -> None:
        state = {
            "step": self.step,
            "means": {name: mean.detach() for name, mean in self.means.items()},
            "log_sigmas": self._log_sigmas.detach(),
            "risks": self._risks,
            "adam": self._adam.state_dict(),
            "squares": {} if self._for_weights is None else self._for_weights.squares,
        }
        content = io.BytesIO()
        torch.save(state, content)
        write_atomically(path, content.getvalue())

    def load(self, path: Path) -> None:
        if not path.is_file():
            return
        damaged = "is damaged; delete it to optimise from the start"
        with refusing(damaged, path=path), torch.no_grad():
            state = torch.load(path, map_location="cpu", weights_only=True)
            for name, mean in self.means.items():
                mean.copy_(state["means"][name])
            self._log_sigmas.copy_(state["log_sigmas"])
            if self._for_weights is not None:
                for name, squares in self._for_weights.squares.items():
                    squares.copy_(state["squares"][name])
            self._risks = state["risks"]
            self._adam.load_state_dict(state["adam"])
            self.step = int(state["step"])


def _log_sigmas(scales: Scales, means: Mapping[str, Tensor], *, for_weights: bool) -> Tensor:
    """Where the log-scales start: one for each tensor, or for each weight."""
    if not for_weights:
        return _double([math.log(scales.sigmas[name]) for name in means])
    logs = []
    for name, mean in means.items():
        spread = scales.noise[name]
        sigma = spread.cpu() if isinstance(spread, Tensor) else scales.sigmas[name]
        wide = torch.as_tensor(sigma, dtype=torch.float64)
        logs.append(wide.log().expand(mean.shape).flatten())
    return torch.cat(logs)


def _double(values: Sequence[float]) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def _schedule(step: int, steps: int) -> float:
    return min(1.0, (step + 1) / _WARM_UP) * 0.5 * (1 + math.cos(math.pi * step / steps))


def _wide(tensor: Tensor) -> Tensor:
    """A copy of at least float32: small steps would be lost in fewer bits."""
    return tensor.detach().to(torch.promote_types(tensor.dtype, torch.float32), copy=True)


def _key(search: Search, strata: Sequence[Pilot], scales: Scales, plan: Plan) -> str:
    """Name of the state: a hash of all that the run is a function of."""
    facts = {
        "dependencies": plan.dependencies,
        "sigmas": scales.sigmas,
        "family": search.family,
        "grid": search.grid.scales,
        "strata": [[part.stratum, len(part.units), part.n, part.delta] for part in strata],
        "losses": [loss.name for loss in search.scorer.losses],
        "batch_size": search.scorer.batch_size,
        "steps": plan.steps,
        "rate": plan.rate,
        "seed": plan.seed,
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
