"""How much noise each tensor gets: closed forms, from the curvature of the loss and the prior."""

from __future__ import annotations

import math
from collections.abc import Mapping

from pacbayes.posteriors.gaussian import best_prior_scale

_ROUNDS = 30


def allocate(
    *,
    temperature: float,
    curvatures: Mapping[str, float],
    sizes: Mapping[str, int],
    distances_squared: Mapping[str, float],
    relative_scales: Mapping[str, float],
) -> dict[str, float]:
    """Posterior scales that minimise T · (expected rise of the loss) + KL(Q‖P).

    Noise of scale σ_l raises the loss by about ½ σ_l² h_l, where h_l is the trace of the Hessian.
    For a prior of scale s c_l the stationary point is σ_l² = d_l / (d_l/(s c_l)² + T h_l). The
    common factor s is set to its own optimum in turn; each of the two steps lowers the sum.

    Args:
        temperature: T > 0, the price of a unit of loss in nats.
        curvatures: h_l ≥ 0 for each tensor.
        sizes: Number of weights d_l.
        distances_squared: ‖w_l − w₀_l‖² of the two centres.
        relative_scales: c_l, the prior's scale up to the common factor s.

    Returns:
        The scale σ_l for each tensor.
    """
    factor = math.sqrt(
        math.fsum(distances_squared[k] / relative_scales[k] ** 2 for k in sizes)
        / sum(sizes.values())
    )
    sigmas: dict[str, float] = {}
    for _ in range(_ROUNDS):
        sigmas = {
            k: math.sqrt(d / (d / (factor * relative_scales[k]) ** 2 + temperature * curvatures[k]))
            for k, d in sizes.items()
        }
        factor = best_prior_scale(sizes, distances_squared, sigmas, relative_scales)
    return sigmas
