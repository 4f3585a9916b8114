"""A Gaussian over a model's tensors that can be trained: means, scales, KL, and noisy forwards."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor, nn

from pacbayes.models.noise import Noise


class TrainablePosterior:
    """Means and one log-scale for each tensor, against a prior whose common scale is the best one.

    Args:
        model: The model that the tensors belong to.
        noise: Which of its tensors are covered.
        means: Mean of each covered tensor; the model's own parameters, or tensors apart from them.
        log_sigmas: Natural logarithm of each tensor's posterior scale, shape (tensors,), in the
            order of `noise.tensors`.
        prior_centre: The prior's mean of each tensor.
        relative_scales: The prior's scale of each tensor up to the common factor.
    """

    def __init__(
        self,
        *,
        model: nn.Module,
        noise: Noise,
        means: Mapping[str, Tensor],
        log_sigmas: Tensor,
        prior_centre: Mapping[str, Tensor],
        relative_scales: Mapping[str, float],
    ) -> None:
        self.noise = noise
        self.means = dict(means)
        self.log_sigmas = log_sigmas
        self._prior = {k: prior_centre[k].to(v.device) for k, v in self.means.items()}
        self._scales = {k: relative_scales[k] for k in self.means}
        self._places = _places(model, noise.tensors)

    @property
    def sigmas(self) -> dict[str, Tensor]:
        """The posterior's scales, with their gradient."""
        return dict(zip(self.means, self.log_sigmas.exp().unbind(), strict=True))

    def kl(self) -> Tensor:
        """KL(Q‖P) in nats at the best common prior scale s, float64, differentiable.

        With s² = Σ_l (d_l σ_l² + ‖Δ_l‖²)/c_l² / D, D = Σ_l d_l, it is
        ½ (D ln s² − Σ_l d_l ln(σ_l²/c_l²)). The certificate takes s from a grid instead.
        """
        sizes = {name: mean.numel() for name, mean in self.means.items()}
        logs = self.log_sigmas.double().unbind()
        energy, spread = [], []
        for log_sigma, (name, mean) in zip(logs, self.means.items(), strict=True):
            scale = self._scales[name]
            shift = (mean - self._prior[name]).double().square().sum()
            energy.append((sizes[name] * (2 * log_sigma).exp() + shift) / scale**2)
            spread.append(2 * sizes[name] * (log_sigma - math.log(scale)))
        total = sum(sizes.values())
        log_variance = (torch.stack(energy).sum() / total).log()
        return 0.5 * (total * log_variance - torch.stack(spread).sum())

    @contextmanager
    def perturbed(self, normals: Tensor) -> Iterator[None]:
        """The model computes with means plus sigmas times `normals`, gradients reach both.

        Args:
            normals: Standard normals, shape (rows, sum of sizes): a row for each row of the batch,
                or one row if the noise is not `per_row`.
        """
        with ExitStack() as stack:
            if self.noise.per_row:
                stack.enter_context(self._computing_with(self.means))
                stack.enter_context(self.noise.applied(normals, self.sigmas))
            else:
                stack.enter_context(self._computing_with(self._draw(normals)))
            yield

    def _draw(self, normals: Tensor) -> dict[str, Tensor]:
        (row,) = normals
        parts = row.split([mean.numel() for mean in self.means.values()])
        sigmas = self.sigmas
        return {
            name: mean + sigmas[name] * part.view_as(mean)
            for part, (name, mean) in zip(parts, self.means.items(), strict=True)
        }

    @contextmanager
    def _computing_with(self, values: Mapping[str, Tensor]) -> Iterator[None]:
        """Other tensors in the places of the parameters, as `torch.func.functional_call` does."""
        originals = self.noise.tensors
        try:
            for name, value in values.items():
                for module, attribute in self._places[name]:
                    module._parameters[attribute] = value.to(originals[name].dtype)  # type: ignore[assignment]
            yield
        finally:
            for name in values:
                for module, attribute in self._places[name]:
                    module._parameters[attribute] = originals[name]  # type: ignore[assignment]


def _places(
    model: nn.Module, tensors: Mapping[str, Tensor]
) -> dict[str, list[tuple[nn.Module, str]]]:
    """Where each tensor hangs in the model; a tied one hangs in several places."""
    names = {id(tensor): name for name, tensor in tensors.items()}
    places: dict[str, list[tuple[nn.Module, str]]] = {name: [] for name in tensors}
    for module in model.modules():
        for attribute, parameter in module._parameters.items():
            if id(parameter) in names:
                places[names[id(parameter)]].append((module, attribute))
    return places
