"""The gap from held-out labels of the target itself, without strata."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pacbayes.bounds._domain import require_delta, require_risk
from pacbayes.errors import InputError
from pacbayes.gaps._domain import input_errors
from pacbayes.gaps.events import shares_of_delta, weighted_sum
from pacbayes.gaps.gap import Gap, outward
from pacbayes.gaps.held_out import HeldOut
from pacbayes.gaps.shared import HELD_OUT


@dataclass(frozen=True, kw_only=True)
class CertifiedRisk:
    """What a certificate says of the risk on the training distribution.

    Attributes:
        interval: (low, high) within [0, 1], both on one event.
        delta: Probability that the certificate fails.

    Raises:
        InputError: No interval within [0, 1], or `delta` outside (0, 1).
    """

    interval: tuple[float, float]
    delta: float

    def __post_init__(self) -> None:
        with input_errors():
            ends = require_risk(self.interval, "interval")
            require_delta(self.delta)
        if ends.shape != (2,) or ends[0] > ends[1]:
            raise InputError(f"`interval` must be (low, high), got {self.interval}.")


@input_errors()
def measured_on_target(
    *,
    target: HeldOut,
    train: HeldOut | CertifiedRisk,
    delta: float,
    events: Sequence[str] = ("strata", "linear"),
) -> Gap:
    """With probability ≥ 1 − δ, R_target − R_train is in the interval, from labels of the target.

    Needs neither strata nor an assumption on them. With held-out labels of the training
    distribution the two are parts of the data with weights 1 and −1, and the rest is as in
    `measured`. With a certificate the target's interval at δ and the certificate's at its own are
    subtracted, and the gap fails with at most the sum.

    Args:
        target: One mean loss and number of units, held out, drawn from the target.
        train: The same, drawn from the training distribution, or its certified risk.
        delta: Failure probability in (0, 1), of both ends together; a certificate's comes on top.
        events: As `measured`.

    Raises:
        InputError: More than one entry, or an argument outside its domain.

    >>> target = HeldOut(mean=(0.3,), n=(2000,))
    >>> train = HeldOut(mean=(0.05,), n=(2000,))
    >>> gap = measured_on_target(target=target, train=train, delta=0.05)
    >>> gap.status, [round(end, 3) for end in gap.interval]
    ('certificate', [0.203, 0.297])
    """
    if len(target) != 1 or (isinstance(train, HeldOut) and len(train) != 1):
        raise InputError("`target` and `train` must have one entry each; `measured` takes strata.")
    shares = shares_of_delta(delta, events)
    if isinstance(train, CertifiedRisk):
        low, high, mean = weighted_sum(np.ones(1), target, shares)
        low, high, estimate = low - train.interval[1], high - train.interval[0], None
        total, detail = delta + train.delta, {"target_mean": mean}
    else:
        both = HeldOut(
            mean=train.mean + target.mean,
            n=train.n + target.n,
            zero_one=train.zero_one and target.zero_one,
        )
        low, high, estimate = weighted_sum(np.array([-1.0, 1.0]), both, shares)
        total, detail = delta, {"n_train": float(train.n[0])}
    return Gap(
        model="measured_on_target",
        interval=outward(low, high, 2),
        estimate=estimate,
        status="certificate",
        assumption=HELD_OUT,
        delta=float(total),
        detail=detail | {"n_target": float(target.n[0])},
    )
