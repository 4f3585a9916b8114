"""What the arguments of a bound must satisfy, checked once and in one wording."""

from __future__ import annotations

import math


def require_delta(delta: float) -> float:
    """A failure probability in (0, 1)."""
    if not 0 < delta < 1:
        raise ValueError(
            f"`delta` must lie in (0, 1), got {delta}. It is a failure probability: 0.05 for 95 %."
        )
    return float(delta)


def require_n(n: float, name: str = "n") -> int:
    """A sample size, at least 1."""
    if isinstance(n, float) and not n.is_integer():
        raise ValueError(f"`{name}` must be a whole number, got {n}.")
    if not n >= 1:
        raise ValueError(f"`{name}` must be at least 1, got {n}. It counts independent units.")
    return int(n)


def require_risk(risk: float, name: str = "empirical_risk") -> float:
    """A risk in [0, 1]."""
    if not 0 <= risk <= 1:
        raise ValueError(
            f"`{name}` must lie in [0, 1], got {risk}. Percentages must be divided by 100."
        )
    return float(risk)


def require_complexity(value: float, name: str = "kl") -> float:
    """A number of nats, at least 0; infinity makes the bound vacuous."""
    if math.isnan(value) or value < 0:
        raise ValueError(f"`{name}` must be at least 0, got {value}. It is a divergence in nats.")
    return float(value)
