"""A Gaussian over a model's weights that can be trained: means, scales, KL, and noisy forwards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor, nn

from pacbayes.models.layer_noise import LayerNoise
from pacbayes.models.noise import Noise, drawn, normals_at, places
from pacbayes.posteriors.noise import Draw
from pacbayes.posteriors.prior_scale import GRID, Grid

LEARNED = ("per-tensor", "diagonal")
"""Families whose scales gradient steps can move."""

_MOST_WEIGHTS = 1 << 30
"""Weights that the rows of a batch may have together: the backward pass keeps them all."""


class TrainablePosterior:
    """Means and log-scales, against a prior whose common scale is the best one.

    Args:
        model: The model that the tensors belong to.
        noise: Which of its tensors are covered, and whether rows of a batch can have own draws.
        means: Mean of each covered tensor; the model's own parameters, or tensors apart from them.
        log_sigmas: Natural logarithms of the posterior's scales in the order of `noise.tensors`:
            one for each tensor, shape (tensors,), or one for each weight, shape (weights,).
        prior_centre: The prior's mean of each tensor.
        relative_scales: The prior's scale of each tensor up to the common factor.
        grid: Where the common factor lies.
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
        grid: Grid = GRID,
    ) -> None:
        self.means = dict(means)
        self.log_sigmas = log_sigmas
        self._per_row = noise.per_row
        self._originals = dict(noise.tensors)
        self._prior = {k: prior_centre[k].to(v.device) for k, v in self.means.items()}
        self._scales = _wide([relative_scales[name] for name in self.means])
        self._sizes = _wide([mean.numel() for mean in self.means.values()])
        self._range = (grid.scales[0] ** 2, grid.scales[-1] ** 2)
        self._places = _places(model, self._originals)

    @property
    def sigmas(self) -> dict[str, Tensor]:
        """The posterior's scales, with their gradient; of the tensors' shapes or without any."""
        return self._by_tensor(self.log_sigmas.exp())

    def _by_tensor(self, values: Tensor) -> dict[str, Tensor]:
        """What belongs to each tensor, of its shape where that is more than one number."""
        if len(values) == len(self.means):
            return dict(zip(self.means, values.unbind(), strict=True))
        parts = values.split([mean.numel() for mean in self.means.values()])
        pairs = zip(self.means.items(), parts, strict=True)
        return {name: part.view(mean.shape) for (name, mean), part in pairs}

    def kl(self) -> Tensor:
        """KL(Q‖P) in nats at the best common prior scale s, float64, differentiable.

        With the energy e = Σ_l (d_l σ_l² + ‖Δ_l‖²)/c_l² and D = Σ_l d_l it is
        ½ (e/s² − D + D ln s² − Σ_l d_l ln(σ_l²/c_l²)), and s² = e/D within the ends of the grid.
        Of scales for single weights, σ_l² and its logarithm are the means over the tensor. The
        certificate takes s from the grid itself.
        """
        logs, squares = self._means_of_logs_and_squares()
        sizes, scales = self._sizes.to(logs.device), self._scales.to(logs.device)
        shifts = [
            (mean - self._prior[name]).double().square().sum() for name, mean in self.means.items()
        ]
        shift = torch.stack([s.to(shifts[0].device) for s in shifts]).to(logs.device)
        energy = ((sizes * squares + shift) / scales**2).sum()
        total = sizes.sum()
        variance = (energy / total).clamp(*self._range)
        spread = (2 * sizes * (logs - scales.log())).sum()
        return 0.5 * (energy / variance - total + total * variance.log() - spread)

    def _means_of_logs_and_squares(self) -> tuple[Tensor, Tensor]:
        """Mean over each tensor of ln σ and of σ², shapes (tensors,), float64."""
        logs = self.log_sigmas.double()
        squares = (2 * logs).exp()
        if len(logs) == len(self.means):
            return logs, squares
        pairs = [self._by_tensor(values).values() for values in (logs, squares)]
        mean_logs, mean_squares = (torch.stack([v.mean() for v in values]) for values in pairs)
        return mean_logs, mean_squares

    @contextmanager
    def perturbed(self, draws: Sequence[Draw], width: int) -> Iterator[None]:
        """The model computes with means plus noise in one forward pass, gradients reach both.

        Rows have their own draws if the model allows it and their weights are not too many
        together; all have the first one otherwise.

        Args:
            draws: The draw of each row of the batch.
            width: Tokens of each row, with its padding.
        """
        sigmas = self.sigmas
        values = {k: mean.to(self._originals[k].dtype) for k, mean in self.means.items()}
        with ExitStack() as stack:
            if self._per_row and len(draws) * self._sizes.sum() <= _MOST_WEIGHTS:
                # making the matrices is the way that has a gradient everywhere
                noise = LayerNoise(values, by_tokens=lambda *_: False)
                stack.enter_context(self._computing_with(values))
                stack.enter_context(noise.applied(draws, sigmas, [width] * len(draws)))
            else:
                stack.enter_context(self._computing_with(_one_draw(values, sigmas, draws[:1])))
            yield

    @contextmanager
    def _computing_with(self, values: Mapping[str, Tensor]) -> Iterator[None]:
        """Other tensors in the places of the parameters, as `torch.func.functional_call` does."""
        try:
            self._put(values)
            yield
        finally:
            self._put(self._originals)

    def _put(self, values: Mapping[str, Tensor]) -> None:
        for name, value in values.items():
            for module, attribute in self._places[name]:
                module._parameters[attribute] = value  # type: ignore[assignment]


def _one_draw(
    values: Mapping[str, Tensor], sigmas: Mapping[str, Tensor], draws: Sequence[Draw]
) -> dict[str, Tensor]:
    at = places(values)
    return {k: drawn(v, sigmas[k], normals_at(at[k], draws, v))[0] for k, v in values.items()}


def _wide(values: Sequence[float]) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


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
