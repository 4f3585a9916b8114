"""Outward rounding: how a float64 result is moved past the error of its few operations."""

from __future__ import annotations

from typing import Any

import numpy as np

from pacbayes.bounds._domain import Array

ULP = 2.0**-52

CLOSE = 16 * ULP
"""Relative slack for a dozen operations on positive terms, among them elementary functions
(numpy's are good to 4 ulps at worst)."""


def up(value: Any, slack: Any = CLOSE) -> Array:
    """At least `value` times (1 + slack) for a value that is not negative."""
    return np.asarray(np.nextafter(value * (1 + slack), np.inf))


def down(value: Any, slack: float = CLOSE) -> Array:
    """At most `value` times (1 − slack), and not negative, for a value that is not negative."""
    return np.asarray(np.maximum(np.nextafter(value * (1 - slack), 0.0), 0.0))


def risk_up(value: Any, slack: float = CLOSE) -> Array:
    """`up`, and at most 1: more than 1, or nothing (NaN), says nothing."""
    return np.asarray(np.fmin(up(value, slack), 1.0))


def up_signed(value: Any, size: Any, slack: float = CLOSE) -> Array:
    """At least `value` plus slack times `size`, the sum of the magnitudes that made it."""
    return np.asarray(np.nextafter(value + slack * size, np.inf))
