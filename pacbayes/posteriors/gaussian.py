"""Gaussian prior and posterior with one scale for each group of weights, and their KL."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

_RELATIVE_ERROR = 1e-12
"""Far above the float64 rounding of the sums below: pairwise summation of d terms errs by less
than (log2 d + 2) ulps, 1e-14 at d = 2**40."""


@dataclass(frozen=True, kw_only=True)
class GaussianGroup:
    """A tensor with isotropic noise under prior and posterior.

    Attributes:
        name: The tensor's name in the checkpoint.
        size: Number of weights, d.
        sigma_prior: Standard deviation of each weight under the prior.
        sigma_posterior: Standard deviation of each weight under the posterior.
        distance_squared: Squared Euclidean distance between the two centres.
    """

    name: str
    size: int
    sigma_prior: float
    sigma_posterior: float
    distance_squared: float

    def __post_init__(self) -> None:
        for field in ("sigma_prior", "sigma_posterior"):
            sigma = getattr(self, field)
            if not (sigma > 0 and math.isfinite(sigma)):
                raise ValueError(
                    f"`{field}` of {self.name!r} must be positive and finite, got {sigma}. "
                    "A weight without noise on one side only makes the KL infinite."
                )

    @property
    def kl(self) -> float:
        """KL(N(w, σ_Q²) ‖ N(w₀, σ_P²)) in nats, rounded up.

        The variance part is d/2 (x − ln(1 + x)) with x = σ_Q²/σ_P² − 1, computed from the relative
        difference of the σ so that nothing cancels when they are close.
        """
        x = relative_variance(self.sigma_posterior, self.sigma_prior)
        spread = self.size * excess(x)
        shift = self.distance_squared / self.sigma_prior**2
        return 0.5 * (spread + shift) * (1 + _RELATIVE_ERROR)


def relative_variance(sigma: float, reference: float) -> float:
    """(σ/reference)² − 1 without cancellation."""
    return (sigma - reference) / reference * (sigma / reference + 1.0)


def excess(x: float) -> float:
    """X − ln(1 + x) ≥ 0 for x > −1, by its series where the difference would cancel."""
    if abs(x) < 1e-3:
        return x * x * (1 / 2 - x * (1 / 3 - x * (1 / 4 - x * (1 / 5 - x / 6))))
    return x - math.log1p(x)


def distance_squared(a: Tensor, b: Tensor) -> float:
    """‖a − b‖² in float64; both tensors of one shape."""
    return float((a.double() - b.double()).square().sum())


def kl_divergence(groups: Sequence[GaussianGroup]) -> float:
    """KL(Q‖P) in nats of independent groups, rounded up."""
    return math.fsum(group.kl for group in groups) * (1 + 2**-52)


def best_prior_scale(
    sizes: Mapping[str, int],
    distances_squared: Mapping[str, float],
    sigmas: Mapping[str, float],
    relative_scales: Mapping[str, float],
) -> float:
    """The factor s that minimises the KL when the prior's scale of a tensor is s times its own.

    Setting the derivative of the KL to zero gives s² = Σ_l (d_l σ_l² + ‖Δ_l‖²)/c_l² / Σ_l d_l.
    """
    total = math.fsum(
        (sizes[k] * sigmas[k] ** 2 + distances_squared[k]) / relative_scales[k] ** 2 for k in sizes
    )
    return math.sqrt(total / sum(sizes.values()))


def double_centres(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copies on the CPU in float64, for arithmetic that goes into a certificate."""
    return {name: tensor.detach().to("cpu", torch.float64) for name, tensor in tensors.items()}
