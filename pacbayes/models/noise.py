"""Adding posterior noise to a model's weights: one draw for each row of a batch, or in place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

import torch
from torch import Tensor, nn

from pacbayes.errors import InputError

Scale = float | Tensor
"""A standard deviation: a number, or a tensor of one element that learns."""


class Noise(Protocol):
    """Perturbs named tensors of one model.

    Attributes:
        per_row: Whether every row of a batch can have a draw of its own.
    """

    per_row: bool

    @property
    def tensors(self) -> Mapping[str, Tensor]:
        """The perturbed tensors, in the order in which noise is laid out."""
        ...

    def recentre(self, centre: Mapping[str, Tensor]) -> None:
        """Gives the model new values of tensors, to which noise is then added."""
        ...

    def applied(self, normals: Tensor, sigmas: Mapping[str, Scale]) -> AbstractContextManager[None]:
        """A context in which the model computes with its weights plus sigma times `normals`.

        Args:
            normals: Standard normals, shape (rows, sum of sizes); one row if not `per_row`.
            sigmas: Standard deviation for each tensor; a tensor that is not named gets none.
        """
        ...


def total_size(tensors: Mapping[str, Tensor]) -> int:
    """Number of weights in all tensors together."""
    return sum(tensor.numel() for tensor in tensors.values())


def _overwrite(tensors: Mapping[str, Tensor], values: Mapping[str, Tensor]) -> None:
    with torch.no_grad():
        for name, value in values.items():
            tensors[name].copy_(value)


def _split(
    normals: Tensor, tensors: Mapping[str, Tensor], sigmas: Mapping[str, Scale]
) -> Iterator[tuple[str, Tensor]]:
    start = 0
    for name, tensor in tensors.items():
        end = start + tensor.numel()
        if sigmas.get(name, 0.0) != 0.0:
            yield name, normals[:, start:end].reshape(-1, *tensor.shape) * sigmas[name]
        start = end


class LoraNoise:
    """A draw for each row of a batch, for the low-rank factors of LoRA layers.

    A hook on each factor adds the noise's own product to the factor's output, so the weights are
    never touched: (W + E) x = W x + E x, with E of the row at hand. Noise on A reaches B's noise
    as it must, because B's hook sees A's perturbed output.
    """

    per_row = True

    def __init__(self, factors: Mapping[str, nn.Linear]) -> None:
        self.factors = dict(factors)
        self.tensors: dict[str, Tensor] = {k: m.weight for k, m in self.factors.items()}

    def recentre(self, centre: Mapping[str, Tensor]) -> None:
        """See `Noise.recentre`."""
        _overwrite(self.tensors, centre)

    @contextmanager
    def applied(self, normals: Tensor, sigmas: Mapping[str, Scale]) -> Iterator[None]:
        """See `Noise.applied`; the batch must have as many rows as `normals`."""
        noise = dict(_split(normals, self.tensors, sigmas))
        handles = [
            self.factors[name].register_forward_hook(_adds_product(value))
            for name, value in noise.items()
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()


def _adds_product(noise: Tensor):  # type: ignore[no-untyped-def]
    def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        (x,) = inputs
        if x.ndim != 3 or x.shape[0] != noise.shape[0]:
            raise InputError(
                f"a LoRA layer was called on a tensor of shape {tuple(x.shape)} where "
                f"({noise.shape[0]}, tokens, features) was expected; this architecture mixes "
                "the rows of a batch, so its rows cannot have draws of their own."
            )
        return torch.baddbmm(output, x, noise.to(x.dtype).transpose(1, 2))

    return hook


class WeightNoise:
    """One draw for the whole model, written into its parameters and taken out bit for bit.

    The centre is kept apart and copied back, never recovered by subtraction.
    """

    per_row = False

    def __init__(self, parameters: Mapping[str, nn.Parameter]) -> None:
        self.tensors: dict[str, Tensor] = dict(parameters)
        self._centre = {name: p.detach().clone() for name, p in self.tensors.items()}

    def recentre(self, centre: Mapping[str, Tensor]) -> None:
        """See `Noise.recentre`."""
        _overwrite(self.tensors, centre)
        self._centre |= {name: self.tensors[name].detach().clone() for name in centre}

    @contextmanager
    def applied(self, normals: Tensor, sigmas: Mapping[str, Scale]) -> Iterator[None]:
        """See `Noise.applied`; `normals` must have one row."""
        if normals.shape[0] != 1:
            raise ValueError(f"`normals` must have one row, got {normals.shape[0]}.")
        noise = dict(_split(normals, self.tensors, sigmas))
        try:
            with torch.no_grad():
                for name, value in noise.items():
                    centre = self._centre[name]
                    wide = torch.promote_types(centre.dtype, value.dtype)
                    self.tensors[name].copy_(centre.to(wide) + value[0])
            yield
        finally:
            with torch.no_grad():
                for name in noise:
                    self.tensors[name].copy_(self._centre[name])
