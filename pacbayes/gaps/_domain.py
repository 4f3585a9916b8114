"""What the arguments of a gap model must satisfy, checked once and in one wording."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import ArrayLike

from pacbayes.bounds._domain import Array, require, require_delta, require_finite, require_n
from pacbayes.errors import InputError
from pacbayes.ledger import DeltaLedger

_SUM_TOLERANCE = 1e-9


@contextmanager
def input_errors() -> Iterator[None]:
    """Turns the ValueError of a bound's own checks into an InputError; also a decorator."""
    try:
        yield
    except InputError:
        raise
    except ValueError as error:
        raise InputError(str(error)) from None


def require_weights(weights: ArrayLike, name: str) -> Array:
    """Weights of strata, shape (strata,), at least 0, that sum to 1 up to rounding; normalised."""
    value = require_finite(weights, name)
    require(value >= 0, value, name, "be at least 0")
    if value.ndim != 1 or value.size == 0:
        raise InputError(f"`{name}` must have shape (strata,), got {value.shape}.")
    total = math.fsum(value.tolist())
    if abs(total - 1) > _SUM_TOLERANCE:
        raise InputError(
            f"`{name}` must sum to 1, got {total!r}. Counts must be divided by their sum."
        )
    return np.asarray(value / total)


@input_errors()
def require_pair(train_weights: ArrayLike, target_weights: ArrayLike) -> tuple[Array, Array]:
    """The weights of training and target data over the same strata."""
    train = require_weights(train_weights, "train_weights")
    target = require_weights(target_weights, "target_weights")
    if train.shape != target.shape:
        raise InputError(
            "`train_weights` and `target_weights` must be over the same strata, got "
            f"{len(train)} and {len(target)}."
        )
    return train, target


def weights_error(n_target: int | None, delta: float | None) -> float:
    """What target weights counted on `n_target` units may add to a gap at most, either way.

    The strata's risks averaged with the counted weights are a mean of independent values in
    [0, 1], one a unit, and Hoeffding's inequality bounds its error: √(ln(2/δ)/(2 n)). No number of
    strata enters. 0 for weights known without error, `n_target` None.
    """
    if n_target is None:
        return 0.0
    if delta is None:
        raise InputError("`delta` must be given with `n_target`: counted weights have an error.")
    n, failure = float(require_n(n_target, "n_target")), float(require_delta(delta))
    return math.sqrt((math.log(2) - math.log(failure)) / (2 * n))


def equal_share(delta: float, parts: int) -> float:
    """The δ of each of several events that share one, rounded down."""
    return float(DeltaLedger(float(require_delta(delta))).split(["part"] * parts)[0])
