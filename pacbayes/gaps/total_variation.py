"""Total variation between training and target weights: knows no risk and no order of strata."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from pacbayes.gaps._domain import input_errors, require_pair, weights_error
from pacbayes.gaps.gap import Gap, outward
from pacbayes.gaps.shared import shared


def total_variation_distance(train_weights: ArrayLike, target_weights: ArrayLike) -> float:
    """TV = ½ Σ_k |w_k − v_k|.

    >>> round(total_variation_distance([0.4, 0.3, 0.2, 0.1], [0.2, 0.3, 0.3, 0.2]), 9)
    0.2
    """
    train, target = require_pair(train_weights, target_weights)
    return 0.5 * math.fsum(np.abs(target - train).tolist())


@input_errors()
def total_variation(
    *,
    train_weights: ArrayLike,
    target_weights: ArrayLike,
    shared_conditionals: bool = False,
    n_target: int | None = None,
    delta: float | None = None,
) -> Gap:
    """|R_target − R_train| ≤ ½ Σ_k |w_k − v_k|, for a loss in [0, 1] and strata that are shared.

    The gap is Σ_k (w_k − v_k) R_k with R_k in [0, 1], so that the positive parts alone and the
    negative parts alone bound it. It is blind to order: pure training on stratum k gives 1 − w_k
    however hard k is, so that it must not choose a difficulty. Holds with certainty, or with
    probability ≥ 1 − δ where the target weights were counted.

    Args:
        train_weights: v_k, shape (strata,), summing to 1.
        target_weights: w_k of the same strata.
        shared_conditionals: Whether target examples of a stratum are distributed as the training
            examples of it, by construction.
        n_target: Independent target units on which w was counted, None if w is known.
        delta: Failure probability in (0, 1), needed with `n_target` only.

    Raises:
        InputError: An argument outside its domain.

    Reference: the extrapolation term of Liu et al. (2026), arXiv 2605.12906, for strata.

    >>> gap = total_variation(train_weights=[1, 0], target_weights=[0.5, 0.5])
    >>> [round(end, 6) for end in gap.interval], gap.status
    ([-0.5, 0.5], 'estimate')
    """
    train, target = require_pair(train_weights, target_weights)
    distance = 0.5 * math.fsum(np.abs(target - train).tolist())
    radius = distance + weights_error(n_target, delta)
    status, assumption = shared(shared_conditionals)
    return Gap(
        model="total_variation",
        interval=outward(-radius, radius, len(train)),
        status=status,
        assumption=assumption,
        delta=0.0 if n_target is None or delta is None else delta,
        detail={"total_variation": distance},
    )
