"""For each matrix a covariance between its rows and one between its columns.

The noise of an m × n matrix is L_A Z L_Bᵀ with independent standard normals Z, so that with
A = L_A L_Aᵀ and B = L_B L_Bᵀ the covariance of its weights, row by row, is A ⊗ B. The variance of
weight (i, j) is A_ii B_jj and

    T = n T(A) + m T(B),    T(A) = −ln det of the correlation matrix of A = Σ_k (μ_k − 1 − ln μ_k)

over the eigenvalues μ of that m × m matrix, which add up to m.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self, final

import torch
from torch import Tensor

from pacbayes.errors import InputError
from pacbayes.posteriors.checks import (
    require_finite,
    require_names,
    require_scale,
    require_shape,
)
from pacbayes.posteriors.excess import excess
from pacbayes.posteriors.family import Family, Marginal, Spread, require_factor
from pacbayes.posteriors.independent import weighed_squares
from pacbayes.posteriors.sums import Sum, total

_ULP = 2.0**-52

_SINGULAR = "{} is singular to working precision; the KL would be infinite."


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Kronecker(Family):
    """Q = N(means, A ⊗ B) for each matrix, and independent weights in every other tensor.

    Attributes:
        rows: L_A by name of the matrix, m × m, invertible; lower triangular or symmetric roots are
            as good as any.
        columns: L_B by name of the matrix, n × n, invertible.
        scales: Standard deviations of the tensors that have no factors: without dimensions for
            one scale, of the tensor's shape for one for each weight. A tensor that is no matrix
            has to be here; a matrix can.
    """

    rows: Mapping[str, Tensor]
    columns: Mapping[str, Tensor]
    scales: Mapping[str, Tensor]

    def require_valid(self) -> None:
        """See `Family.require_valid`."""
        require_names("columns", self.columns, self.rows)
        require_names("scales", self.scales, self.means.keys() - self.rows.keys())
        for name in self.rows:
            self._require_factors(name)
        for name, scale in self.scales.items():
            require_scale(f"`scales`: {name!r}", scale, (), tuple(self.means[name].shape))

    def _require_factors(self, name: str) -> None:
        if name not in self.means:
            raise InputError(f"`rows`: {name!r} is unknown.")
        shape = self.means[name].shape
        if len(shape) != 2:
            raise InputError(
                f"`rows`: {name!r} is no matrix, its shape is {list(shape)}; give it a scale."
            )
        for what, factor, side in (
            (f"`rows`: {name!r}", self.rows[name], shape[0]),
            (f"`columns`: {name!r}", self.columns[name], shape[1]),
        ):
            require_shape(what, factor, (side, side))
            require_finite(what, factor)

    def noise(self, normals: Tensor) -> dict[str, Tensor]:
        """See `Family.noise`."""
        return {name: self._noise_of(name, z) for name, z in self.split(normals)}

    def _noise_of(self, name: str, z: Tensor) -> Tensor:
        if name in self.scales:
            return z * self.scales[name].to(z)
        return self.rows[name].to(z) @ z @ self.columns[name].to(z).T

    def spread(self, name: str) -> Spread:
        """See `Family.spread`."""
        if name in self.scales:
            scale = self.scales[name]
            return scale if scale.ndim else scale.item()
        return Kronecker(
            means={name: self.means[name]},
            rows={name: self.rows[name]},
            columns={name: self.columns[name]},
            scales={},
        )

    def scaled(self, factor: float) -> Self:
        """See `Family.scaled`."""
        by = require_factor(factor)
        return replace(
            self,
            rows={name: part * by for name, part in self.rows.items()},
            scales={name: scale * by for name, scale in self.scales.items()},
        )

    def marginal(self, name: str) -> Marginal:
        """See `Family.marginal`."""
        if name in self.scales:
            return Marginal(scale=self.scales[name])
        sides = [part[name].double().square().sum(1).sqrt() for part in (self.rows, self.columns)]
        error = (sum(map(len, sides)) + 16) * _ULP
        return Marginal(scale=torch.outer(*sides), error=error)

    def correlation(self, block: str) -> Tensor:
        """See `Family.correlation`."""
        if block in self.scales:
            return torch.zeros((), dtype=torch.float64)
        m, n = self.means[block].shape
        return n * _correlation(self.rows[block]) + m * _correlation(self.columns[block])

    def correlation_upper(self, block: str) -> float:
        """See `Family.correlation_upper`."""
        if block in self.scales:
            return 0.0
        m, n = self.means[block].shape
        rows = _correlation_upper(f"`rows`: {block!r}", self.rows[block])
        columns = _correlation_upper(f"`columns`: {block!r}", self.columns[block])
        return (n * rows + m * columns) * (1 + 4 * _ULP)

    def mahalanobis(self, noise: Mapping[str, Tensor], block: str) -> Sum:
        """See `Family.mahalanobis`."""
        e = noise[block].detach().cpu().double()
        if block in self.scales:
            return weighed_squares(e, self.scales[block])
        rows = _Inverse.of(f"`rows`: {block!r}", self.rows[block])
        columns = _Inverse.of(f"`columns`: {block!r}", self.columns[block])
        half = rows.times(e)
        z = columns.times(half.T)
        # the error of each step, and what the steps after it make of that; e is a difference
        error = _ULP * float(e.norm()) * rows.norm * columns.norm
        error += rows.error * float(half.norm()) * columns.norm + columns.error * float(z.norm())
        squares = total([z.square()])
        error *= 2 * (math.sqrt(squares.value) + error)
        return Sum(value=squares.value, error=squares.error + error)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Inverse:
    """L⁻¹ as an operation on float64 matrices.

    Attributes:
        factor: L.
        norm: At least the spectral norm of L⁻¹.
        error: The relative error of L⁻¹ X, by backward stability.
    """

    factor: Tensor
    norm: float
    error: float

    @classmethod
    def of(cls, what: str, factor: Tensor) -> _Inverse:
        factor = factor.detach().cpu().double()
        roots = torch.linalg.svdvals(factor)
        rounding = 16 * len(factor) * _ULP * float(roots.max())
        least = float(roots.min()) - rounding
        if not least > 0:
            raise InputError(_SINGULAR.format(what))
        return cls(factor=factor, norm=1 / least, error=rounding / least)

    def times(self, x: Tensor) -> Tensor:
        return torch.linalg.solve(self.factor, x)


def _correlation(factor: Tensor) -> Tensor:
    """T(A) of A = L Lᵀ, differentiable."""
    factor = factor.double()
    diagonal = factor.square().sum(1).log().sum()
    return diagonal - 2 * torch.linalg.slogdet(factor).logabsdet


def _correlation_upper(what: str, factor: Tensor) -> float:
    """T(A) of A = L Lᵀ, never below the true value."""
    factor = factor.detach().cpu().double()
    size = len(factor)
    rows = factor / factor.square().sum(1, keepdim=True).sqrt()
    if not bool(torch.isfinite(rows).all()):  # a row of zeros, or of what has no square
        raise InputError(_SINGULAR.format(what))
    roots = torch.linalg.svdvals(rows)
    # rounding of the rows and backward error of the decomposition, against the norm sqrt(size)
    error = (2 * size + 16) * _ULP * math.sqrt(size)
    if not float(roots.min()) > error:
        raise InputError(_SINGULAR.format(what))
    ends = torch.stack([excess((r - 1) * (r + 1), r * r) for r in (roots - error, roots + error)])
    return total([ends.amax(0)]).upper
