"""The gap that a fitted transfer surface predicts, with the spread of its bootstrap replicates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from pacbayes.bounds._domain import Array, require_between, require_finite
from pacbayes.errors import InputError
from pacbayes.gaps._domain import input_errors
from pacbayes.gaps.gap import Gap

_ASSUMPTION = (
    "Assumes that risks follow the fitted surface where no run was observed; the interval is the "
    "spread of fits to resampled runs, not a guarantee."
)


@dataclass(frozen=True, kw_only=True)
class FittedGaps:
    """Predicted gaps in any shape, such as (budgets, difficulties).

    Attributes:
        estimate: R_target − R_train of the fit.
        low: Lower quantile over the replicates, of the same shape.
        high: Upper quantile.
        level: Share of replicates between the two.
    """

    estimate: Array
    low: Array
    high: Array
    level: float

    def at(self, *index: int) -> Gap:
        """The gap of one entry."""
        estimate = float(self.estimate[index])
        return Gap(
            model="fitted",
            interval=(float(self.low[index]), float(self.high[index])),
            estimate=estimate,
            status="forecast",
            assumption=_ASSUMPTION,
            delta=1 - self.level,
        )


@input_errors()
def fitted_gaps(
    *,
    target_risk: ArrayLike,
    train_risk: ArrayLike,
    target_replicates: ArrayLike,
    train_replicates: ArrayLike,
    level: float = 0.9,
) -> FittedGaps:
    """Predicted R_target − R_train for many settings, with quantiles over paired replicates.

    A replicate's two risks must come from one resample of the runs: their errors are common, so
    that the spread of the difference is not that of its parts.

    Args:
        target_risk: Predicted risk on the target, in [0, 1], any shape.
        train_risk: Predicted risk on the training distribution, of the same shape.
        target_replicates: The same from bootstrap fits, shape (replicates, *shape).
        train_replicates: Likewise, replicate by replicate.
        level: Share of replicates in the interval, in (0, 1).

    Raises:
        InputError: Risks outside [0, 1], fewer than two replicates, or shapes that differ.

    >>> gaps = fitted_gaps(
    ...     target_risk=[0.3, 0.2],
    ...     train_risk=[0.1, 0.2],
    ...     target_replicates=[[0.25, 0.2], [0.35, 0.2]],
    ...     train_replicates=[[0.1, 0.15], [0.1, 0.25]],
    ...     level=0.5,
    ... )
    >>> gaps.estimate.round(3).tolist(), gaps.low.round(3).tolist(), gaps.high.round(3).tolist()
    ([0.2, 0.0], [0.175, -0.025], [0.225, 0.025])
    """
    share = float(require_between(np.asarray(level), "level", 0, 1))
    target, train = _risks(target_risk, "target_risk"), _risks(train_risk, "train_risk")
    targets = _risks(target_replicates, "target_replicates")
    trains = _risks(train_replicates, "train_replicates")
    shapes = {target.shape, train.shape, targets.shape[1:], trains.shape[1:]}
    if len(shapes) > 1 or targets.shape != trains.shape or targets.ndim == 0:
        raise InputError(
            "replicates must have shape (replicates, *shape) for risks of that shape, got "
            f"{targets.shape} and {trains.shape} for {target.shape} and {train.shape}."
        )
    if len(targets) < 2:
        raise InputError(f"there must be at least two replicates, got {len(targets)}.")
    tails = [(1 - share) / 2, (1 + share) / 2]
    low, high = np.quantile(targets - trains, tails, axis=0)
    return FittedGaps(estimate=np.asarray(target - train), low=low, high=high, level=share)


def _risks(value: ArrayLike, name: str) -> Array:
    # a fit may overshoot the ends of [0, 1] by a rounding error, not by more
    risks = require_finite(value, name)
    if np.any((risks < -1e-9) | (risks > 1 + 1e-9)):
        raise InputError(
            f"`{name}` must be predicted risks in [0, 1], got {float(risks.min())!r} to "
            f"{float(risks.max())!r}. Percentages must be divided by 100."
        )
    return np.clip(risks, 0, 1)


def fitted(
    *,
    target_risk: float,
    train_risk: float,
    target_replicates: ArrayLike,
    train_replicates: ArrayLike,
    level: float = 0.9,
) -> Gap:
    """The gap that a fitted transfer surface predicts for one setting; a forecast.

    Args:
        target_risk: Predicted risk on the target, in [0, 1].
        train_risk: Predicted risk on the training distribution.
        target_replicates: The same from bootstrap fits, shape (replicates,).
        train_replicates: Likewise, replicate by replicate.
        level: Share of replicates in the interval, in (0, 1).

    Raises:
        InputError: As `fitted_gaps`.

    >>> gap = fitted(
    ...     target_risk=0.3,
    ...     train_risk=0.1,
    ...     target_replicates=[0.25, 0.35],
    ...     train_replicates=[0.1, 0.1],
    ... )
    >>> gap.status, round(gap.estimate, 3), [round(end, 3) for end in gap.interval]
    ('forecast', 0.2, [0.155, 0.245])
    """
    return fitted_gaps(
        target_risk=target_risk,
        train_risk=train_risk,
        target_replicates=target_replicates,
        train_replicates=train_replicates,
        level=level,
    ).at()
