"""How much noise each tensor gets: closed forms, from the curvature of the loss and the prior."""

from __future__ import annotations

import math
from collections.abc import Mapping

from scipy.optimize import minimize_scalar


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
    For a prior of scale s c_l the minimum is at σ_l² = d_l / (d_l/(s c_l)² + T h_l); the common
    factor s is then found by a search along its logarithm.

    Args:
        temperature: T > 0, the price of a unit of loss in nats.
        curvatures: h_l ≥ 0 for each tensor.
        sizes: Number of weights d_l.
        distances_squared: ‖w_l − w₀_l‖² of the two centres.
        relative_scales: c_l, the prior's scale up to the common factor s.

    Returns:
        The scale σ_l for each tensor.
    """
    total = sum(sizes.values())
    shift = {k: distances_squared[k] / relative_scales[k] ** 2 for k in sizes}
    smallest = 0.5 * math.log(math.fsum(shift.values()) / total)

    def sigmas(log_factor: float) -> dict[str, float]:
        scales = {k: math.exp(log_factor) * relative_scales[k] for k in sizes}
        return {
            k: math.sqrt(d / (d / scales[k] ** 2 + temperature * curvatures[k]))
            for k, d in sizes.items()
        }

    def objective(log_factor: float) -> float:
        # at the best σ_l the rise and the trace term of the KL add up to d_l/2
        found = sigmas(log_factor)
        spread = math.fsum(
            d * (log_factor + math.log(relative_scales[k] / found[k])) for k, d in sizes.items()
        )
        return spread + 0.5 * math.fsum(shift.values()) * math.exp(-2 * log_factor)

    # the best s is at least the root mean square of the shift: more only adds to the spread
    best = minimize_scalar(objective, bounds=(smallest - 1, smallest + 15), method="bounded")
    return sigmas(float(best.x))
