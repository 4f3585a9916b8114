"""A scale for each weight, and in each group of tensors a few directions shared by its weights.

In a group Σ = D + U Uᵀ, with D the squared scales and a column of U for each direction, as in SWAG
(Maddox et al. 2019). With Ũ = D^{-1/2} U, t_i = |Ũ_i|² and λ the eigenvalues of ŨᵀŨ, a matrix of
rank × rank, the matrix determinant lemma gives

    T = Σ_i ln(1 + t_i) − Σ_k ln(1 + λ_k) = Σ_k h(λ_k) − Σ_i h(t_i),    h(x) = x − ln(1 + x),

since Σ t = Σ λ. The first form is accurate where the directions dominate, the second where they are
faint.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Self, final

import torch
from torch import Tensor

from pacbayes.errors import InputError
from pacbayes.posteriors.checks import (
    require_finite,
    require_names,
    require_partition,
    require_scale,
    require_shape,
)
from pacbayes.posteriors.excess import excess
from pacbayes.posteriors.family import Family, Marginal, Spread, require_factor
from pacbayes.posteriors.sums import Gram, Sum, gram, pieces, total

_ULP = 2.0**-52


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class LowRank(Family):
    """Q = N(means, D + U Uᵀ) in each group of tensors, groups independent.

    The normals are one for each weight, then `rank` for each group.

    Attributes:
        groups: Names of the tensors in each group; every tensor is in exactly one.
        scales: Square roots of D by tensor, without dimensions or of the tensor's shape.
        factors: U by tensor, of shape (rank, *shape); one rank within a group.
    """

    groups: Mapping[str, tuple[str, ...]]
    scales: Mapping[str, Tensor]
    factors: Mapping[str, Tensor]

    def require_valid(self) -> None:
        """See `Family.require_valid`."""
        require_partition(self.groups, self.means)
        require_names("scales", self.scales, self.means)
        require_names("factors", self.factors, self.means)
        for name, mean in self.means.items():
            require_scale(f"`scales`: {name!r}", self.scales[name], (), tuple(mean.shape))
        for group, members in self.groups.items():
            for name in members:
                what, factor = f"`factors`: {name!r}", self.factors[name]
                require_shape(what, factor, (self._rank(group), *self.means[name].shape))
                require_finite(what, factor)
            if self._rank(group) == 0:
                raise InputError(f"the group {group!r} has factors of rank 0.")

    def _rank(self, group: str) -> int:
        first = self.factors[self.groups[group][0]]
        return first.shape[0] if first.ndim else 0

    @property
    def n_normals(self) -> int:
        """One for each weight, and the rank of each group."""
        return sum(self.sizes.values()) + sum(map(self._rank, self.groups))

    @property
    def blocks(self) -> dict[str, tuple[str, ...]]:
        """See `Family.blocks`."""
        return dict(self.groups)

    def noise(self, normals: Tensor) -> dict[str, Tensor]:
        """See `Family.noise`."""
        own = {name: z * self.scales[name].to(z) for name, z in self.split(normals)}
        shared = {}
        start = sum(self.sizes.values())
        for group, members in self.groups.items():
            end = start + self._rank(group)
            for name in members:
                factor = self.factors[name].to(normals)
                shared[name] = torch.tensordot(normals[:, start:end], factor, dims=1)
            start = end
        return {name: noise + shared[name] for name, noise in own.items()}

    def spread(self, name: str) -> Spread:
        """See `Family.spread`."""
        return LowRank(
            means={name: self.means[name]},
            groups={name: (name,)},
            scales={name: self.scales[name]},
            factors={name: self.factors[name]},
        )

    def scaled(self, factor: float) -> Self:
        """See `Family.scaled`."""
        by = require_factor(factor)
        return replace(
            self,
            scales={name: scale * by for name, scale in self.scales.items()},
            factors={name: part * by for name, part in self.factors.items()},
        )

    def marginal(self, name: str) -> Marginal:
        """See `Family.marginal`."""
        factor = self.factors[name]
        error = (factor.shape[0] + 8) * _ULP
        return Marginal(scale=self.scales[name], factor=factor, error=error)

    def correlation(self, block: str) -> Tensor:
        """See `Family.correlation`."""
        matrix = torch.eye(self._rank(block), dtype=torch.float64)
        weights = torch.zeros((), dtype=torch.float64)
        for name in self.groups[block]:
            scaled = self.factors[name].double() / self.scales[name].double()
            rows = scaled.reshape(len(scaled), -1)
            matrix = matrix.to(rows) + rows @ rows.T
            weights = weights.to(rows) + rows.square().sum(0).log1p().sum()
        return weights - torch.linalg.slogdet(matrix).logabsdet

    def correlation_upper(self, block: str) -> float:
        """See `Family.correlation_upper`."""
        spectrum, error = _spectrum(gram(rows for rows, _ in self._whitened(block)))
        most, least = spectrum + error, (spectrum - error).clamp(min=0)
        squares = [rows.square().sum(0) for rows, _ in self._whitened(block)]
        relative = 2 * (self._rank(block) + 8) * _ULP  # error of t, doubled at most by h
        faint = total(map(excess, squares)).lower * (1 - relative)
        strong = total(map(torch.log1p, squares)).upper * (1 + relative)
        by_excess = total([excess(most)]).upper - faint
        by_logarithm = strong - total([least.log1p()]).lower
        return max(0.0, min(by_excess, by_logarithm))

    def mahalanobis(self, noise: Mapping[str, Tensor], block: str) -> Sum:
        """See `Family.mahalanobis`.

        It is the least of |D^{-1/2} ε − Ũ y|² + |y|² over y, so an error in y counts only by its
        square.
        """
        rank = self._rank(block)
        joint = gram(torch.cat([rows, e[None]]) for rows, e in self._whitened(block, noise))
        along, length = joint.matrix[:rank, rank], float(joint.matrix[rank, rank])
        inner = joint.matrix[:rank, :rank]
        y = torch.linalg.solve(inner + torch.eye(rank, dtype=torch.float64), along)
        rest = total((e - y @ rows).square() for rows, e in self._whitened(block, noise))
        own, trace = float(y @ y), float(inner.trace())
        # each residual is good to so much of |e| + |Ũ_i| |y|
        ulps = (rank + 8) * _ULP
        size = 2 * (length + trace * own)
        residual = ulps * (2 * math.sqrt(rest.upper * size) + ulps * size)
        # (I + ŨᵀŨ) y = Ũᵀe is solved with errors on both sides, by no more than these squares
        left = (joint.relative * trace + 16 * ulps * (1 + trace)) ** 2 * own
        right = joint.relative**2 * trace * length
        error = rest.error + residual + 2 * (left + right) + ulps * own
        return Sum(value=rest.value + own, error=error)

    def _whitened(
        self, block: str, noise: Mapping[str, Tensor] | None = None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Pieces of Ũᵀ, (rank, width), and of D^{-1/2} ε, (width,), for ε of 0 if none is given."""
        for name in self.groups[block]:
            factor, scale = self.factors[name], self.scales[name]
            vector = torch.zeros(self.sizes[name]) if noise is None else noise[name].reshape(-1)
            diagonal = scale if scale.ndim == 0 else scale.reshape(-1)
            rank = len(factor)
            for rows, s, e in pieces(factor.reshape(rank, -1), diagonal, vector, rank=rank):
                yield rows / s, e / s


def _spectrum(product: Gram) -> tuple[Tensor, float]:
    """Eigenvalues, and how far each can be from the true one (Weyl)."""
    spectrum = torch.linalg.eigvalsh(product.matrix).clamp(min=0)
    trace = float(product.matrix.trace())
    return spectrum, (product.relative + 16 * len(spectrum) * _ULP) * trace
