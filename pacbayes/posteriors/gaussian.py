"""The KL of groups of weights, each with one scale in the prior, from a certificate's numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from pacbayes.certificate import TensorGroup
from pacbayes.posteriors.excess import CLOSE, excess_near_zero

_RELATIVE_ERROR = 1e-12
"""Far above the float64 rounding of the sums below: pairwise summation of d terms errs by less
than (log2 d + 2) ulps, 1e-14 at d = 2**40."""


def group_kl(group: TensorGroup) -> float:
    """KL(Q‖P) of one group in nats, rounded up.

    That of N(w, σ_Q²) to N(w₀, σ_P²), whose variance part is d/2 (ρ − 1 − ln ρ) with ρ = σ_Q²/σ_P²,
    and the anisotropy: for P of one scale the KL is exactly their sum if σ_Q is the root mean
    square.
    """
    spread = group.size * _spread(group.sigma_posterior, group.sigma_prior)
    shift = group.distance_squared / group.sigma_prior**2
    alike = 0.5 * (spread + shift) * (1 + _RELATIVE_ERROR)
    return alike + group.anisotropy if group.anisotropy == 0 else _up(alike + group.anisotropy)


def _up(value: float) -> float:
    return math.nextafter(value, math.inf)


def _spread(sigma: float, reference: float) -> float:
    """ρ − 1 − ln ρ ≥ 0 for ρ = (σ/reference)², without cancellation when the two are close."""
    ratio = sigma / reference
    x = (sigma - reference) / reference * (ratio + 1.0)  # ρ − 1
    if abs(x) < CLOSE:
        return float(excess_near_zero(x))
    return x - 2 * math.log(ratio)


def kl_divergence(groups: Sequence[TensorGroup]) -> float:
    """KL(Q‖P) in nats of independent groups, rounded up."""
    return math.fsum(map(group_kl, groups)) * (1 + 2**-52)


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
