"""KL(Q‖P) of every family to a prior with independent weights: certified, and for training."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from pacbayes.certificate import TensorGroup
from pacbayes.errors import InputError
from pacbayes.posteriors.checks import require_names, require_shape
from pacbayes.posteriors.excess import excess
from pacbayes.posteriors.family import Family
from pacbayes.posteriors.gaussian import group_kl
from pacbayes.posteriors.prior import GaussianPrior
from pacbayes.posteriors.sums import distance_squared, pieces, total


def kl(posterior: Family, prior: GaussianPrior) -> float:
    """KL(Q‖P) in nats, never below the true value; see `kl_by_block`."""
    return math.fsum(kl_by_block(posterior, prior).values()) * (1 + 2**-52)


def kl_by_block(posterior: Family, prior: GaussianPrior) -> dict[str, float]:
    """KL(Q‖P) in nats of each block of dependent tensors, never below the true value.

    Float64 whatever the tensors' type, on the CPU, in pieces. The excess over the truth is about
    1e-12 of the KL, and for a Kronecker factor of size k whose correlation matrix has the least
    eigenvalue μ at most about 5e-16 k^2.5/√μ nats times the size of the other side.

    Raises:
        InputError: Tensors of P that are not those of Q, a KL that is not finite.
    """
    require_same_tensors(posterior, prior)
    found = {block: _block_kl(posterior, prior, block) for block in posterior.blocks}
    for block, value in found.items():
        if not math.isfinite(value):
            raise InputError(
                f"the KL of {block!r} is {value}; NaN or infinity in the weights, or a scale out "
                "of the range of float64."
            )
    return found


def _block_kl(posterior: Family, prior: GaussianPrior, block: str) -> float:
    members = posterior.blocks[block]
    marginals = math.fsum(_tensor_kl(posterior, prior, name) for name in members)
    correlation = posterior.correlation_upper(block)
    return (marginals + 0.5 * correlation) * (1 + 2**-50)


def _tensor_kl(posterior: Family, prior: GaussianPrior, name: str) -> float:
    """Σ_i KL(N(w_i, v_i) ‖ P_i) over the weights of a tensor, rounded up."""
    mean, centre, reference = posterior.means[name], prior.centre[name], prior.scales[name]
    marginal = posterior.marginal(name)
    if marginal.factor is None and marginal.scale.ndim == 0 and reference.ndim == 0:
        distance = distance_squared(mean, centre)
        if not math.isfinite(distance):
            return distance
        return group_kl(
            TensorGroup(
                name=name,
                size=mean.numel(),
                sigma_prior=float(reference),
                sigma_posterior=float(marginal.scale),
                distance_squared=distance,
            )
        )
    found = total(
        excess(x, ratio) + shift.square()
        for x, ratio, shift in ratios(posterior, prior, name, mean)
    )
    # An error of ε in the variances moves h by at most 10 ε |x|, and Σ |x| is at most
    # √(2.4 d Σ h) + 10 Σ h: h(x) ≥ x²/2.4 for |x| < 1/4, and h(x) ≥ |x|/10 beyond.
    drift = math.sqrt(2.4 * mean.numel() * found.upper) + 10 * found.upper
    return 0.5 * (found.upper + 10 * marginal.error * drift)


def ratios(
    posterior: Family, prior: GaussianPrior, name: str, weights: Tensor
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Pieces of v/s² − 1, v/s² and (weights − w₀)/s, for variances v of Q and s² of P."""
    marginal = posterior.marginal(name)
    rank = 0 if marginal.factor is None else len(marginal.factor)
    factor = torch.zeros(1, 1) if marginal.factor is None else marginal.factor
    flat = [t if t.ndim == 0 else t.reshape(-1) for t in (marginal.scale, prior.scales[name])]
    vectors = [weights.reshape(-1), prior.centre[name].reshape(-1)]
    rows = factor.reshape(len(factor), -1).expand(-1, weights.numel())
    for sigma, s, w, centre, u in pieces(*flat, *vectors, rows, rank=max(1, rank)):
        extra = (u / s).square().sum(0)
        ratio = sigma / s
        # the difference first: it is exact where the scales are close
        yield (sigma - s) / s * (ratio + 1) + extra, ratio.square() + extra, (w - centre) / s


def differentiable_kl(posterior: Family, prior: GaussianPrior) -> Tensor:
    """KL(Q‖P) in nats for training: float64, gradients to all that the posterior is made of."""
    require_same_tensors(posterior, prior)
    parts = [
        _differentiable(posterior.marginal(name).variance(), mean, prior, name)
        for name, mean in posterior.means.items()
    ]
    parts += [posterior.correlation(block) for block in posterior.blocks]
    return 0.5 * torch.stack([part.to(parts[0].device) for part in parts]).sum()


def _differentiable(variance: Tensor, mean: Tensor, prior: GaussianPrior, name: str) -> Tensor:
    """Twice the KL of the marginals of one tensor."""
    device = mean.device
    s = prior.scales[name].to(device).double()
    ratio = variance.to(device) / s.square()
    spread = (ratio - 1 - ratio.log()).expand(mean.shape).sum()
    return spread + ((mean.double() - prior.centre[name].to(device).double()) / s).square().sum()


def best_factor(posterior: Family, prior: GaussianPrior) -> float:
    """The factor s at which KL(Q ‖ prior.scaled(s)) is least.

    Setting the derivative to zero gives s² = Σ_i (v_i + Δ_i²)/c_i² over the number of weights,
    with v the variances of Q, c the scales of the prior given and Δ the step between the centres.
    """
    require_same_tensors(posterior, prior)
    energy = math.fsum(
        total(
            ratio + shift.square() for _, ratio, shift in ratios(posterior, prior, name, mean)
        ).value
        for name, mean in posterior.means.items()
    )
    return math.sqrt(energy / sum(posterior.sizes.values()))


def require_same_tensors(posterior: Family, prior: GaussianPrior) -> None:
    """Checks that Q and P are over the same weights."""
    require_names("prior", prior.centre, posterior.means)
    for name, mean in posterior.means.items():
        require_shape(f"`prior`: {name!r}", prior.centre[name], tuple(mean.shape))
