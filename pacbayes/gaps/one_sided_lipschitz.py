"""Risk that rises with difficulty, but not faster than a slope: a signed Wasserstein bound."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from pacbayes.bounds._domain import Array, require, require_finite
from pacbayes.bounds._rounding import CLOSE
from pacbayes.errors import InputError
from pacbayes.gaps._domain import equal_share, input_errors, require_pair, weights_error
from pacbayes.gaps.gap import Gap, Status, outward
from pacbayes.gaps.held_out import HeldOut
from pacbayes.gaps.shared import HELD_OUT, shared


@input_errors()
def harder_mass(
    train_weights: ArrayLike, target_weights: ArrayLike, difficulties: ArrayLike
) -> tuple[float, float]:
    """(∫ (F_train − F_target)₊, ∫ (F_target − F_train)₊), in units of difficulty.

    The first is what must be moved to harder strata to make the target of the training data, the
    second what must be moved to easier ones; their sum is the Wasserstein distance W₁.

    >>> harder, easier = harder_mass([0.4, 0.3, 0.2, 0.1], [0.2, 0.3, 0.3, 0.2], [1, 2, 3, 4])
    >>> round(harder, 9), easier
    (0.5, 0.0)
    """
    train, target = require_pair(train_weights, target_weights)
    steps = _steps(difficulties, len(train))
    moved = np.cumsum(train - target)[:-1] * steps
    return math.fsum(np.maximum(moved, 0).tolist()), math.fsum(np.maximum(-moved, 0).tolist())


def _steps(difficulties: ArrayLike, strata: int) -> Array:
    value = require_finite(difficulties, "difficulties")
    if value.shape != (strata,):
        raise InputError(
            f"`difficulties` must have one entry for each of the {strata} strata, got shape "
            f"{value.shape}."
        )
    steps = np.diff(value)
    require(steps > 0, steps, "difficulties", "rise from stratum to stratum, by steps above 0")
    return np.asarray(steps)


@input_errors()
def slopes(held_out: HeldOut, difficulties: ArrayLike, delta: float) -> tuple[float, float]:
    """Least and largest slope of risk between neighbouring strata, both with probability ≥ 1 − δ.

    Args:
        held_out: Mean losses and units of the strata, in the order of difficulty.
        difficulties: Of the strata, strictly rising, shape (strata,), at least two.
        delta: Failure probability in (0, 1).

    Returns:
        Risk per unit of difficulty: bounds on all slopes, rounded outward.

    Raises:
        InputError: An argument outside its domain.
    """
    steps = _steps(difficulties, len(held_out))
    if not len(steps):
        raise InputError("`held_out` must have at least two strata, as slopes are between them.")
    low, high = held_out.intervals(delta)
    least = ((low[1:] - high[:-1]) / steps).min()
    largest = ((high[1:] - low[:-1]) / steps).max()
    slack = CLOSE / float(steps.min())
    return float(least) - slack, float(largest) + slack


@input_errors()
def one_sided_lipschitz(
    *,
    train_weights: ArrayLike,
    target_weights: ArrayLike,
    difficulties: ArrayLike,
    slope: float | None = None,
    held_out: HeldOut | None = None,
    delta: float | None = None,
    shared_conditionals: bool = False,
    n_target: int | None = None,
) -> Gap:
    """−L ∫(F_target − F_train)₊ ≤ R_target − R_train ≤ L ∫(F_train − F_target)₊.

    By parts, the gap is Σ_k (F_train − F_target)(k) (R_{k+1} − R_k) over neighbouring strata; where
    risk rises, by at most L per unit of difficulty, only the positive parts count above. So it
    is at most 0 for training data harder than the target. With held-out data the least and
    largest slopes are bounded with probability ≥ 1 − δ in place of 0 and L (`measured` on the same
    data is narrower for one pair of weights; the slopes serve many).

    Args:
        train_weights: v_k, shape (strata,), summing to 1.
        target_weights: w_k of the same strata.
        difficulties: Of the strata, strictly rising, shape (strata,).
        slope: L ≥ 0 in risk per unit of difficulty, an assumption; or
        held_out: Mean losses and units of the strata, from which the slopes are certified.
        delta: Failure probability in (0, 1), with `held_out` or `n_target`.
        shared_conditionals: As `total_variation`.
        n_target: As `total_variation`; with `held_out` as well, δ/2 goes to each.

    Raises:
        InputError: Neither or both of `slope` and `held_out`, or an argument outside its domain.

    Reference: the dual of W₁ on the line (Villani 2003, section 2.2), with the sign kept.

    >>> gap = one_sided_lipschitz(
    ...     train_weights=[0.4, 0.3, 0.2, 0.1],
    ...     target_weights=[0.2, 0.3, 0.3, 0.2],
    ...     difficulties=[1, 2, 3, 4],
    ...     slope=0.1,
    ... )
    >>> round(gap.interval[1], 6), gap.status
    (0.05, 'forecast')
    """
    harder, easier = harder_mass(train_weights, target_weights, difficulties)
    if (slope is None) == (held_out is None):
        raise InputError("give either `slope`, an assumption, or `held_out` to certify it.")
    parts = (held_out is not None) + (n_target is not None)
    share = None if delta is None else equal_share(delta, max(parts, 1))
    (least, largest), status, assumption = _slopes_of(
        slope, held_out, difficulties, share, shared_conditionals
    )
    error = weights_error(n_target, share)
    low, high = least * harder - largest * easier, largest * harder - least * easier
    # sums over strata of magnitudes that are not bounded by 1: relative to their size
    size = (abs(least) + abs(largest)) * (harder + easier + float(np.ptp(np.asarray(difficulties))))
    slack = CLOSE * len(np.atleast_1d(difficulties)) * size
    return Gap(
        model="one_sided_lipschitz",
        interval=outward(low - error - slack, high + error + slack, 1),
        status=status,
        assumption=assumption,
        delta=float(delta) if parts and delta is not None else 0.0,
        detail={"harder_mass": harder, "easier_mass": easier, "slope": largest, "least": least},
    )


def _slopes_of(
    slope: float | None,
    held_out: HeldOut | None,
    difficulties: ArrayLike,
    delta: float | None,
    shared_conditionals: bool,
) -> tuple[tuple[float, float], Status, str]:
    """Least and largest slope, the status they allow and the assumption in words."""
    status, assumption = shared(shared_conditionals)
    if held_out is not None:
        if delta is None:
            raise InputError("`delta` must be given with `held_out`.")
        return slopes(held_out, difficulties, delta), status, f"{assumption} {HELD_OUT}"
    largest = require_finite(np.asarray(slope), "slope")
    require(largest >= 0, largest, "slope", "be at least 0", "It is a rise of risk per difficulty.")
    assumed = (
        f"Assumes, unmeasured, that risk never falls with difficulty and rises by at most "
        f"{float(largest):.6g} per unit."
    )
    return (0.0, float(largest)), "forecast", f"{assumed} {assumption}"
