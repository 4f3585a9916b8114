"""ln dQ/dP at one point: what the bounds for a single drawn network pay in place of the KL."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from torch import Tensor

from pacbayes.errors import InputError
from pacbayes.posteriors.checks import require_names, require_shape
from pacbayes.posteriors.divergence import ratios, require_same_tensors
from pacbayes.posteriors.family import Family
from pacbayes.posteriors.prior import GaussianPrior
from pacbayes.posteriors.sums import total


def log_density_ratio(
    posterior: Family, prior: GaussianPrior, weights: Mapping[str, Tensor]
) -> float:
    """Ln (dQ/dP)(h) in nats at the weights h, never below the true value; it may be negative.

    With ε = h − w it is ½ [Σ_i ((h_i − w₀_i)²/s_i² − ln(v_i/s_i²)) + T − εᵀΣ⁻¹ε], in float64. Its
    terms are of the order of the number of weights d, its value is not: the excess over the truth
    is about 2e-13 d nats for independent weights, and more for factors of large condition number.

    Args:
        posterior: Q.
        prior: P, over the same tensors.
        weights: The weights as they were drawn, means plus noise, in float64: rounded to a lower
            type they are another point.

    Raises:
        InputError: Tensors that are not those of Q, a value that is not finite.
    """
    require_same_tensors(posterior, prior)
    require_names("weights", weights, posterior.means)
    for name, mean in posterior.means.items():
        require_shape(f"`weights`: {name!r}", weights[name], tuple(mean.shape))
    value = 0.5 * math.fsum(_block(posterior, prior, weights, block) for block in posterior.blocks)
    if not math.isfinite(value):
        raise InputError(f"ln dQ/dP is {value}; NaN or infinity in the weights?")
    return math.nextafter(value, math.inf)


def _block(
    posterior: Family, prior: GaussianPrior, weights: Mapping[str, Tensor], block: str
) -> float:
    """Twice the logarithm for one block, rounded up."""
    members = posterior.blocks[block]
    noise = {
        name: weights[name].detach().cpu().double() - posterior.means[name].detach().cpu().double()
        for name in members
    }
    parts = [_marginal(posterior, prior, name, weights[name]) for name in members]
    parts.append(posterior.correlation_upper(block))
    parts.append(-posterior.mahalanobis(noise, block).lower)
    return math.fsum(parts)


def _marginal(posterior: Family, prior: GaussianPrior, name: str, weights: Tensor) -> float:
    """Σ_i ((h_i − w₀_i)²/s_i² − ln(v_i/s_i²)) over the weights of a tensor, rounded up."""

    def terms() -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        return ratios(posterior, prior, name, weights)

    squares = total(shift.square() for _, _, shift in terms())
    logarithms = total(ratio.log() for _, ratio, _ in terms())
    # a logarithm near 0 has the error of its argument
    error = (posterior.marginal(name).error + 16 * 2.0**-52) * weights.numel()
    return squares.upper - logarithms.lower + 2 * error
