"""The noise of one tensor, whatever its family: what it costs, and other forms of it.

For P = N(w₀, s² I) and Q = N(w, Σ) over d weights, any σ splits the KL:

    KL(Q‖P) = KL(N(w, σ² I) ‖ P) + KL(Q ‖ N(w, σ² I)) + ½ (tr Σ − d σ²) (1/s² − 1/σ²).

At σ² = tr Σ / d the last term is gone, and the middle one, the anisotropy, does not depend on P.
Twice the anisotropy is the negative logarithm of Mauchly's (1940) criterion of sphericity.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from torch import Tensor

from pacbayes.errors import InputError
from pacbayes.posteriors.diagonal import Diagonal
from pacbayes.posteriors.divergence import kl_by_block, ratios
from pacbayes.posteriors.families import name_of
from pacbayes.posteriors.family import Family, Spread
from pacbayes.posteriors.per_group import PerGroup
from pacbayes.posteriors.prior import GaussianPrior
from pacbayes.posteriors.sums import total

ONE_SCALE = "gaussian"
"""The name, in a certificate, of posteriors with one scale for each tensor."""


def spreads(posterior: Family) -> dict[str, Spread]:
    """The noise of each tensor.

    Raises:
        InputError: Two tensors depend on one another.
    """
    for block, members in posterior.blocks.items():
        if len(members) > 1:
            raise InputError(
                f"ties the tensors {', '.join(members)} together in {block!r}; only posteriors "
                "whose tensors are independent can be certified: give each a group of its own."
            )
    return {name: posterior.spread(name) for name in posterior.means}


def around(means: Mapping[str, Tensor], noise: Mapping[str, Spread]) -> Family:
    """The posterior of independent weights with these means and scales."""
    if all(map(one_scale, noise.values())):
        scales = {k: torch.as_tensor(s, dtype=torch.float64) for k, s in noise.items()}
        return PerGroup(means=means, groups={name: (name,) for name in noise}, scales=scales)
    return Diagonal(
        means=means,
        scales={k: torch.as_tensor(s).expand(means[k].shape) for k, s in noise.items()},
    )


def family_name(noise: Mapping[str, Spread]) -> str:
    """The name of the family in a certificate."""
    for spread in noise.values():
        if isinstance(spread, Family):
            return name_of(spread)
    if any(isinstance(spread, Tensor) and spread.ndim for spread in noise.values()):
        return "diagonal"
    return ONE_SCALE


def is_none(spread: Spread) -> bool:
    """Whether it is no noise at all."""
    return isinstance(spread, (int, float)) and spread == 0


def one_scale(spread: Spread) -> bool:
    """Whether all weights get independent noise of one scale."""
    return not isinstance(spread, Family) and not (isinstance(spread, Tensor) and spread.ndim)


def scaled(spread: Spread, factor: float) -> Spread:
    """The noise times a positive factor."""
    return spread.scaled(factor) if isinstance(spread, Family) else factor * spread


def as_drawn(spread: Spread) -> Spread:
    """The noise with its scales and factors in float32, as it is drawn.

    Drawing would round them anyway: the KL has to be that of what is drawn.
    """
    if isinstance(spread, Family):
        rounded = {
            field.name: {k: _in_float32(v) for k, v in getattr(spread, field.name).items()}
            for field in fields(spread)
            if field.name not in ("means", "groups")
        }
        return replace(spread, **rounded)
    if isinstance(spread, Tensor):
        return _in_float32(spread)
    # a scale out of the range becomes the nearest in it: a poor one, but no error of a search
    limits = np.finfo(np.float32)
    return float(np.float32(np.clip(spread, limits.tiny, limits.max)))


def _in_float32(value: Tensor) -> Tensor:
    return value.detach().float()


def as_family(name: str, spread: Tensor | Family, mean: Tensor) -> Family:
    """The law of one tensor with more than one scale, around a mean."""
    if isinstance(spread, Family):
        return replace(spread, means={name: mean})
    return Diagonal(means={name: mean}, scales={name: spread})


@dataclass(frozen=True, kw_only=True)
class Moments:
    """What the KL to a prior with one scale depends on.

    Attributes:
        sigma: Root mean square of the standard deviations.
        anisotropy: See `pacbayes.certificate.TensorGroup`.
    """

    sigma: float
    anisotropy: float = 0.0


def moments(name: str, spread: Spread) -> Moments:
    """The two numbers of one tensor's noise, such that the KL made from them is never too small.

    σ is rounded up, so the last term of the split is negative where s < σ; where s > σ it is at
    most d/2 times the relative rounding of σ², which is added to the anisotropy: about 4e-13 nats
    for each weight, and more for factors of large rank or size.

    Raises:
        InputError: A number that is not finite, a covariance that is singular.
    """
    if not isinstance(spread, (Tensor, Family)):
        return Moments(sigma=spread)
    if isinstance(spread, Tensor) and spread.ndim == 0:
        return Moments(sigma=spread.item())
    family = as_family(name, spread, spread if isinstance(spread, Tensor) else spread.means[name])
    mean, size = family.means[name], family.sizes[name]
    unit = GaussianPrior(centre=family.means, scales={name: torch.tensor(1.0)})
    trace = total(ratio for _, ratio, _ in ratios(family, unit, name, mean))
    if not 0 < trace.value < math.inf:
        raise InputError(f"the scales of {name!r} are out of the range of float64.")
    error = trace.error + (family.marginal(name).error + 16 * 2.0**-52) * trace.value
    sigma = math.sqrt((trace.value + error) / size) * (1 + 4 * 2.0**-52)
    rounding = max(0.0, 1 - (trace.value - error) / (size * sigma**2)) + 8 * 2.0**-52
    alike = GaussianPrior(
        centre=family.means, scales={name: torch.tensor(sigma, dtype=torch.float64)}
    )
    (anisotropy,) = kl_by_block(family, alike).values()
    return Moments(sigma=sigma, anisotropy=(anisotropy + 0.5 * size * rounding) * (1 + 2.0**-50))
