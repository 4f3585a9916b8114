"""The gap of a mixture of strata from held-out labels of each."""

from __future__ import annotations

from collections.abc import Sequence

from numpy.typing import ArrayLike

from pacbayes.errors import InputError
from pacbayes.gaps._domain import input_errors, require_pair, weights_error
from pacbayes.gaps.events import shares_of_delta, weighted_sum
from pacbayes.gaps.gap import Gap, outward
from pacbayes.gaps.held_out import HeldOut
from pacbayes.gaps.shared import HELD_OUT, shared


@input_errors()
def measured(
    *,
    train_weights: ArrayLike,
    target_weights: ArrayLike,
    held_out: HeldOut,
    delta: float,
    shared_conditionals: bool = False,
    n_target: int | None = None,
    events: Sequence[str] = ("strata", "linear"),
) -> Gap:
    """With probability ≥ 1 − δ, R_target − R_train = Σ_k (w_k − v_k) R_k is in the interval.

    By default δ/2 goes to an interval for each stratum, narrow where risks are small, and δ/2 to
    Hoeffding's inequality for the weighted sum, narrow where strata are many; both are
    intersected; strata whose two weights are equal then cost nothing.

    Args:
        train_weights: v_k, shape (strata,), summing to 1; fixed before the held-out losses, as the
            target weights. Where these losses choose the weights, leave "linear" out of `events`.
        target_weights: w_k of the same strata.
        held_out: Mean losses and units of all strata.
        delta: Failure probability in (0, 1), of both ends together.
        shared_conditionals: Whether target examples of a stratum are distributed as the held-out
            examples of it, by construction.
        n_target: Independent target units on which w was counted, None if w is known; the error
            of the weights then takes an equal share of δ.
        events: Keys of `EVENTS`, fixed before the held-out losses.

    Raises:
        InputError: An argument outside its domain, an unknown event, or another number of strata.

    Reference: Clopper & Pearson (1934); Hoeffding (1963), Theorems 1 and 2.

    >>> gap = measured(
    ...     train_weights=[1, 0],
    ...     target_weights=[0.5, 0.5],
    ...     held_out=HeldOut(mean=(0.05, 0.3), n=(2000, 2000), zero_one=True),
    ...     delta=0.05,
    ...     shared_conditionals=True,
    ... )
    >>> gap.status, round(gap.estimate, 3), [round(end, 3) for end in gap.interval]
    ('certificate', 0.125, [0.106, 0.144])
    """
    train, target = require_pair(train_weights, target_weights)
    if len(held_out) != len(train):
        raise InputError(
            f"`held_out` must have one entry for each of the {len(train)} strata, got "
            f"{len(held_out)}; the usual mistake is a target stratum without data."
        )
    shares = shares_of_delta(delta, events, *([] if n_target is None else ["weights"]))
    error = weights_error(n_target, shares.get("weights"))
    low, high, estimate = weighted_sum(target - train, held_out, shares)
    status, assumption = shared(shared_conditionals)
    return Gap(
        model="measured",
        interval=outward(low - error, high + error, len(train)),
        estimate=estimate,
        status=status,
        assumption=f"{assumption} {HELD_OUT}",
        delta=float(delta),
        detail={"n_held_out": float(sum(held_out.n)), "weights_error": error},
    )
