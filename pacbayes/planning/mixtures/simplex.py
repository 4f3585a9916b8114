"""Weights on the simplex: checked, and found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize

from pacbayes.errors import InputError

Floats: TypeAlias = NDArray[np.float64]

LEAST_WEIGHT = 1e-3
"""Smaller weights are set to 0: no budget planned with such fits could tell them from it."""


@dataclass(frozen=True, kw_only=True)
class Minimum:
    """The best point found.

    Attributes:
        weights: It.
        value: The function there.
        gap: Σ a_k ∂_k f − min_k ∂_k f. A convex f has no value below `value − gap`; for any f, 0
            says that no small move helps.
    """

    weights: Floats
    value: float
    gap: float


def minimise_on_simplex(
    function: Callable[[Floats], tuple[float, Floats]], starts: Sequence[Floats]
) -> Minimum:
    """Minimise a smooth function of weights: sequential quadratic programming from several starts.

    The starts themselves compete; the first of equal ones wins.

    Args:
        function: Returns f(a) and its derivatives by each weight alone.
        starts: Points of the simplex, shape (K,) each.
    """
    ends = [_pruned(_descend(function, start)) for start in starts]
    best = min([*starts, *ends], key=lambda a: function(a)[0])
    value, gradient = function(best)
    return Minimum(weights=best, value=value, gap=frank_wolfe_gap(best, gradient))


def frank_wolfe_gap(weights: Floats, gradient: Floats) -> float:
    """Return Σ a_k g_k − min_k g_k, what a step to the best corner would gain if f were linear."""
    return max(0.0, float(weights @ gradient - gradient.min()))


def checked_weights(values: ArrayLike, size: int, name: str) -> Floats:
    """Return weights of that number, at least 0 and of sum 1.

    Raises:
        InputError: They are not so.
    """
    weights = np.asarray(values, dtype=np.float64)
    if weights.shape != (size,):
        raise InputError(
            f"`{name}` must have one weight for each of {size} strata, got shape {weights.shape}."
        )
    if not np.all(weights >= 0) or not abs(weights.sum() - 1) <= 1e-6:
        raise InputError(
            f"`{name}` must be at least 0 and sum to 1, got {weights.tolist()}; the usual mistake "
            "is counts instead of shares."
        )
    normalised: Floats = weights / weights.sum()
    return normalised


def effective_sample_size(weights: ArrayLike, n: ArrayLike) -> float:
    """Return n_eff = 1/Σ(a_k²/n_k): so many units of one stratum would bound the mixture as well.

    Args:
        weights: a, at least 0, of sum 1, shape (K,).
        n: Units in each stratum, at least 0, shape (K,); a stratum that has weight but no units
            leaves nothing.

    Raises:
        InputError: Arguments outside their domain.

    >>> effective_sample_size([0.5, 0.5], [100, 100])
    200.0
    >>> round(effective_sample_size([0.9, 0.1], [100, 100]), 2)
    121.95
    """
    sizes = np.asarray(n, dtype=np.float64)
    a = checked_weights(weights, sizes.size, "weights")
    if not np.all(np.isfinite(sizes) & (sizes >= 0)):
        raise InputError(f"`n` must count units, finite and at least 0, got {sizes.tolist()}.")
    used = a > 0
    if np.any(sizes[used] == 0):
        return 0.0
    return float(1 / np.sum(a[used] ** 2 / sizes[used]))


def _descend(function: Callable[[Floats], tuple[float, Floats]], start: Floats) -> Floats:
    found = minimize(
        function,
        start,
        jac=True,
        method="SLSQP",
        bounds=[(0.0, 1.0)] * len(start),
        constraints={
            "type": "eq",
            "fun": lambda a: a.sum() - 1,
            "jac": lambda a: np.ones_like(a),
        },
        options={"ftol": 1e-10, "maxiter": 60},
    )
    weights = np.clip(found.x, 0.0, 1.0)
    total = weights.sum()
    return start if not np.isfinite(total) or total <= 0 else weights / total


def _pruned(weights: Floats) -> Floats:
    kept = np.where(weights >= LEAST_WEIGHT, weights, 0.0)
    pruned: Floats = kept / kept.sum()
    return pruned
