"""What every Gaussian posterior over named tensors can do.

For a prior P with independent weights, a Gaussian Q = N(w, Σ) with marginal variances v_i has

    KL(Q‖P) = Σ_i KL(N(w_i, v_i) ‖ P_i) + ½ T,    T = Σ_i ln v_i − ln det Σ ≥ 0,

and ½ T, the total correlation of Q, does not depend on P. So a family has to know its marginal
variances and T; neither part is ever negative, and nothing cancels between them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Self

from torch import Tensor

from pacbayes.errors import InputError
from pacbayes.posteriors.checks import require_weights
from pacbayes.posteriors.sums import Sum


@dataclass(frozen=True, kw_only=True, eq=False)
class Marginal:
    """Variances of the weights of one tensor: scale² + Σ_k factor_k².

    Attributes:
        scale: Without dimensions, or of the tensor's shape.
        factor: Of shape (rank, *shape), or None for nothing.
        error: Relative error of the variances, where they were computed and not given.
    """

    scale: Tensor
    factor: Tensor | None = None
    error: float = 0.0

    def variance(self) -> Tensor:
        """The variances in float64, differentiable."""
        variance = self.scale.double().square()
        return variance if self.factor is None else variance + self.factor.double().square().sum(0)


@dataclass(frozen=True, kw_only=True, eq=False)
class Family(ABC):
    """A Gaussian Q over the weights in named tensors; its subclasses differ in the covariance.

    Its numbers are tensors of any floating-point type; gradients flow from `noise` and
    `divergence.differentiable_kl` to whatever they were computed from.

    Attributes:
        means: Centre of each tensor by name; the order is that of the normals.

    Raises:
        InputError: Names or shapes that do not match, a scale that is not positive and finite.
    """

    means: Mapping[str, Tensor]

    def __post_init__(self) -> None:
        require_weights("means", self.means)
        self.require_valid()

    @property
    def sizes(self) -> dict[str, int]:
        """Number of weights in each tensor."""
        return {name: mean.numel() for name, mean in self.means.items()}

    @property
    def n_normals(self) -> int:
        """How many standard normals make one draw: one for each weight unless there is more."""
        return sum(self.sizes.values())

    @property
    def blocks(self) -> dict[str, tuple[str, ...]]:
        """Tensors that may depend on one another under Q; each alone unless a family ties them."""
        return {name: (name,) for name in self.means}

    @abstractmethod
    def require_valid(self) -> None:
        """Checks the covariance's tensors against the means; raises InputError."""

    @abstractmethod
    def noise(self, normals: Tensor) -> dict[str, Tensor]:
        """Draws minus means: linear in the normals, with covariance Σ.

        Args:
            normals: Independent standard normals, shape (rows, n_normals), on any device.

        Returns:
            Shape (rows, *shape) for each tensor, of the type and on the device of the normals.
        """

    @abstractmethod
    def spread(self, name: str) -> Spread:
        """The law of one tensor's noise alone, see `Spread`."""

    @abstractmethod
    def scaled(self, factor: float) -> Self:
        """The same with all standard deviations times a positive factor."""

    @abstractmethod
    def marginal(self, name: str) -> Marginal:
        """Variances of the weights of one tensor, differentiable."""

    @abstractmethod
    def correlation(self, block: str) -> Tensor:
        """T of one block in nats, float64, differentiable."""

    @abstractmethod
    def correlation_upper(self, block: str) -> float:
        """T of one block, never below the true value.

        Raises:
            InputError: The covariance is singular to working precision.
        """

    @abstractmethod
    def mahalanobis(self, noise: Mapping[str, Tensor], block: str) -> Sum:
        """εᵀΣ⁻¹ε of one block, for `noise` ε of the tensors' shapes."""

    def split(self, normals: Tensor) -> Iterator[tuple[str, Tensor]]:
        """The leading normals laid out as the tensors, each of shape (rows, *shape)."""
        if normals.ndim != 2 or normals.shape[1] != self.n_normals:
            raise InputError(
                f"`normals` must have the shape [rows, {self.n_normals}], got "
                f"{list(normals.shape)}."
            )
        start = 0
        for name, mean in self.means.items():
            end = start + mean.numel()
            yield name, normals[:, start:end].reshape(-1, *mean.shape)
            start = end


Spread = float | Tensor | Family
"""The law of one tensor's noise: one scale for its weights, as a number or without dimensions; one
for each of them, of the tensor's shape; or, of dependent weights, a family over this tensor alone.
Numbers may be negative, for mirrored noise, and 0, for none."""


def require_factor(factor: float) -> float:
    """A factor of standard deviations: positive and finite."""
    if not 0 < factor < float("inf"):
        raise InputError(f"`factor` must be positive and finite, got {factor}.")
    return factor
