"""The right-hand side that most bounds share: (KL + ln(constant/δ))/n, rounded up."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from pacbayes.bounds._domain import Array, require_complexity, require_delta, require_n
from pacbayes.bounds._rounding import CLOSE, up


def complexity(kl: ArrayLike, n: ArrayLike, delta: ArrayLike, log_constant: Any = 0.0) -> Array:
    """(KL + ln(constant/δ))/n in nats per unit, not below the true value."""
    total = require_complexity(kl) + log_constant - np.log(require_delta(delta))
    return up(total / require_n(n))


def log_2sqrtn(n: ArrayLike) -> Array:
    """ln(2 √n), not below the true value: Maurer's simpler constant in place of ln ξ(n)."""
    return up(np.log(2 * np.sqrt(require_n(n))))


def risk_below(value: Any, size: Any) -> Array:
    """A lower bound on a risk: `value` minus slack for a difference of parts of that size."""
    return np.asarray(np.fmax(np.nextafter(value - CLOSE * size, -1.0), 0.0))
