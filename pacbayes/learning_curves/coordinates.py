"""Coordinates of learning curves in which the prior is standard normal.

A fit is a point z of 2D + 4 numbers: for the path of logit c_d over difficulty its first value, its
trend and D − 1 departures from an even course; the same for ln k_d; ln g; logit r₀. Coordinate i
times its spread plus its centre is the number. In a monotone path each step is the width of the
interval times exp(trend + departure), so logit c_d falls and ln k_d rises whatever z is; in a free
path steps are width · trend + √width · departure, of either sign.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from pacbayes.learning_curves.curves import Curves

Floats = NDArray[np.float64]

FIRST_ASYMPTOTE = (-0.7, 1.5)
"""Centre and spread of logit c − logit r₀ at the easiest difficulty."""

ASYMPTOTE_FALL = (0.0, 1.0)
"""The same of the log of the fall of logit c from the easiest to the hardest."""

SCALE = (0.0, 2.0)
"""The same of ln k less the mean log budget, at the easiest."""

SCALE_RISE = (0.7, 0.8)
"""The same of the log of the rise of ln k from the easiest to the hardest."""

EXPONENT = (-0.1, 0.5)
"""The same of ln g."""

DEPARTURE = 0.7
"""Spread of a step's departure from an even course, on its log if the path is monotone."""

FREE_TREND = 1.5
"""Spread of the change of logit c and of ln k over all difficulties, if they are free."""


@dataclass(frozen=True, kw_only=True)
class Coordinates:
    """The map from z to curves.

    Attributes:
        difficulties: Shape (D,), increasing.
        monotone: Whether c_d is to fall and k_d to rise with d, or both are free.
        centre: Of each number, shape (2D + 4,).
        spread: Of each number; 0 holds it at its centre.
    """

    difficulties: Floats
    monotone: bool
    centre: Floats
    spread: Floats

    @property
    def size(self) -> int:
        """Number of coordinates."""
        return len(self.centre)

    def curves(self, z: Floats) -> Curves:
        """Return the curves at points z of shape (fits, size)."""
        numbers = self.centre + self.spread * z
        d = len(self.difficulties) + 1
        return Curves(
            difficulties=self.difficulties,
            asymptote=expit(self._path(numbers[:, :d], -1)[0]),
            scale=np.exp(self._path(numbers[:, d : 2 * d], 1)[0]),
            exponent=np.exp(numbers[:, -2]),
            base_risk=expit(numbers[:, -1]),
        )

    def risk(self, z: Floats, place: NDArray[np.intp], budget: Floats) -> tuple[Floats, Floats]:
        """Return R at chosen difficulties and budgets, and its derivatives by z.

        Args:
            z: Shape (fits, size).
            place: Indices of difficulties, shape (m,).
            budget: Shape (m,).

        Returns:
            Shapes (fits, m) and (fits, m, size).
        """
        numbers = self.centre + self.spread * z
        d = len(self.difficulties) + 1
        logit_c, by_c = self._path(numbers[:, :d], -1)
        log_k, by_k = self._path(numbers[:, d : 2 * d], 1)
        g = np.exp(numbers[:, -2])[:, None]
        start = expit(numbers[:, -1])[:, None]
        c = expit(logit_c[:, place])
        log_ratio = np.log(budget) - log_k[:, place]
        unlearnt = expit(-g * log_ratio)
        slope = -(start - c) * unlearnt * (1 - unlearnt)  # by g·ln(n/k)
        jacobian = np.concatenate(
            [
                ((1 - unlearnt) * c * (1 - c))[:, :, None] * by_c[:, place],
                (-g * slope)[:, :, None] * by_k[:, place],
                (slope * g * log_ratio)[:, :, None],
                (unlearnt * start * (1 - start))[:, :, None],
            ],
            axis=2,
        )
        return c + (start - c) * unlearnt, jacobian * self.spread

    def _path(self, numbers: Floats, sign: int) -> tuple[Floats, Floats]:
        """Return a path's values (fits, D) and derivatives by its numbers (fits, D, D + 1)."""
        widths = np.diff(self.difficulties) / np.ptp(self.difficulties)
        first, trend, departure = numbers[:, :1], numbers[:, 1:2], numbers[:, 2:]
        if self.monotone:
            steps = sign * widths * np.exp(trend + departure)
            by_trend, by_departure = steps, steps
        else:
            steps = widths * trend + np.sqrt(widths) * departure
            by_trend = np.broadcast_to(widths, steps.shape)
            by_departure = np.broadcast_to(np.sqrt(widths), steps.shape)
        jacobian = np.zeros((*steps.shape[:1], len(widths) + 1, len(widths) + 2))
        jacobian[:, :, 0] = 1
        jacobian[:, 1:, 1] = np.cumsum(by_trend, axis=1)
        jacobian[:, 1:, 2:] = by_departure[:, None, :] * np.tri(len(widths))
        values = np.concatenate([first, first + np.cumsum(steps, axis=1)], axis=1)
        return values, jacobian


def coordinates(
    *,
    difficulties: Floats,
    mean_log_budget: float,
    monotone: bool,
    base_risk: float,
    base_risk_spread: float,
) -> Coordinates:
    """Return coordinates whose standard normal prior is wide around the pilots' budgets and r₀.

    Args:
        difficulties: Shape (D,), increasing.
        mean_log_budget: Of the pilot runs.
        monotone: See `Coordinates`.
        base_risk: r₀ in (0, 1).
        base_risk_spread: Standard error of logit r₀; 0 if it is known.
    """
    steps = len(difficulties) - 1
    fall, rise = (ASYMPTOTE_FALL, SCALE_RISE) if monotone else ((0.0, FREE_TREND),) * 2
    start = float(logit(base_risk))
    numbers = [
        (start + FIRST_ASYMPTOTE[0], FIRST_ASYMPTOTE[1]),
        fall,
        *[(0.0, DEPARTURE)] * steps,
        (mean_log_budget + SCALE[0], SCALE[1]),
        rise,
        *[(0.0, DEPARTURE)] * steps,
        EXPONENT,
        (start, base_risk_spread),
    ]
    centre, spread = np.transpose(numbers)
    return Coordinates(difficulties=difficulties, monotone=monotone, centre=centre, spread=spread)
