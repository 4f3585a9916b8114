"""Families in which the weights are independent: they differ in which weights share a scale."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping

import torch
from torch import Tensor

from pacbayes.posteriors.family import Family, Marginal, Spread
from pacbayes.posteriors.sums import Sum, pieces, total


class Independent(Family):
    """Q = N(means, diag(scales²)); each tensor is a block of its own."""

    @abstractmethod
    def scale_of(self, name: str) -> Tensor:
        """Standard deviations of a tensor's weights: one without dimensions, or one for each."""

    def noise(self, normals: Tensor) -> dict[str, Tensor]:
        """See `Family.noise`."""
        return {name: z * self.scale_of(name).to(z) for name, z in self.split(normals)}

    def spread(self, name: str) -> Spread:
        """See `Family.spread`."""
        scale = self.scale_of(name)
        return scale if scale.ndim else scale.item()

    def marginal(self, name: str) -> Marginal:
        """See `Family.marginal`."""
        return Marginal(scale=self.scale_of(name))

    def correlation(self, block: str) -> Tensor:
        """None."""
        return torch.zeros((), dtype=torch.float64)

    def correlation_upper(self, block: str) -> float:
        """None."""
        return 0.0

    def mahalanobis(self, noise: Mapping[str, Tensor], block: str) -> Sum:
        """See `Family.mahalanobis`."""
        return weighed_squares(noise[block], self.scale_of(block))


def weighed_squares(noise: Tensor, scale: Tensor) -> Sum:
    """Σ (ε/σ)² over the weights of a tensor."""
    flat = scale if scale.ndim == 0 else scale.reshape(-1)
    return total((e / s).square() for e, s in pieces(noise.reshape(-1), flat))
