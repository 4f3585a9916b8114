"""The gap from held-out labels of the target itself, without strata."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pacbayes.errors import InputError
from pacbayes.gaps._domain import input_errors
from pacbayes.gaps.events import shares_of_delta, weighted_sum
from pacbayes.gaps.gap import Gap, outward
from pacbayes.gaps.held_out import HeldOut
from pacbayes.gaps.shared import HELD_OUT


@input_errors()
def measured_on_target(
    *,
    target: HeldOut,
    train: HeldOut,
    delta: float,
    events: Sequence[str] = ("strata", "linear"),
) -> Gap:
    """With probability ≥ 1 − δ, R_target − R_train is in the interval, from labels of both.

    Needs neither strata nor an assumption on them: the target is one part of the data and the
    training distribution the other, with weights 1 and −1; the rest is as in `measured`.

    Args:
        target: One mean loss and number of units, held out, drawn from the target.
        train: The same, drawn from the training distribution.
        delta: Failure probability in (0, 1), of both ends together.
        events: As `measured`.

    Raises:
        InputError: More than one entry, or an argument outside its domain.

    >>> gap = measured_on_target(
    ...     target=HeldOut(mean=(0.3,), n=(2000,)),
    ...     train=HeldOut(mean=(0.05,), n=(2000,)),
    ...     delta=0.05,
    ... )
    >>> gap.status, [round(end, 3) for end in gap.interval]
    ('certificate', [0.203, 0.297])
    """
    if len(target) != 1 or len(train) != 1:
        raise InputError("`target` and `train` must have one entry each; `measured` takes strata.")
    both = HeldOut(
        mean=train.mean + target.mean,
        n=train.n + target.n,
        zero_one=train.zero_one and target.zero_one,
    )
    low, high, estimate = weighted_sum(np.array([-1.0, 1.0]), both, shares_of_delta(delta, events))
    return Gap(
        model="measured_on_target",
        interval=outward(low, high, 2),
        estimate=estimate,
        status="certificate",
        assumption=HELD_OUT,
        delta=float(delta),
        detail={"n_target": float(target.n[0]), "n_train": float(train.n[0])},
    )
