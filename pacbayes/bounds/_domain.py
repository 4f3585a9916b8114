"""What the arguments of a bound must satisfy, checked once and in one wording.

Each takes a number or an array and returns a float64 array of the same shape.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array: TypeAlias = NDArray[np.float64]
FloatOrArray: TypeAlias = Any
"""A float where all arguments are numbers, else a float64 array of the broadcast shape."""

LARGEST_N = 2**53
"""Up to here whole numbers are float64 numbers."""

LEAST_DELTA = 1e-305
"""Shares of it are still ordinary float64 numbers."""


def require(ok: Any, value: Array, name: str, must: str, hint: str = "") -> None:
    """Raises ValueError that names the first value for which `ok` is false."""
    if not np.all(ok):
        first = np.broadcast_to(value, np.shape(ok))[~np.asarray(ok)][0]
        raise ValueError(
            f"`{name}` must {must}, got {float(first)!r}." + (f" {hint}" if hint else "")
        )


def _floats(value: ArrayLike, name: str) -> Array:
    try:
        given = np.asanyarray(value)
        # neither text, nor complex numbers, nor entries that are masked out
        if given.dtype.kind not in "biufO" or np.ma.isMaskedArray(given):
            raise TypeError
        return np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"`{name}` must be a number or an array, got {value!r}.") from None


def require_delta(delta: ArrayLike) -> Array:
    """A failure probability in (0, 1)."""
    value = _floats(delta, "delta")
    hint = "It is a failure probability: 0.05 for 95 %."
    require((value > 0) & (value < 1), value, "delta", "lie in (0, 1)", hint)
    require(value >= LEAST_DELTA, value, "delta", f"be at least {LEAST_DELTA:g}", hint)
    return value


def require_n(n: ArrayLike, name: str = "n", least: int = 1) -> Array:
    """A sample size, a whole number of at least `least`."""
    value = _floats(n, name)
    hint = "It counts independent units."
    require(value >= least, value, name, f"be at least {least}", hint)
    require(value <= LARGEST_N, value, name, "be at most 2^53", hint)
    require(value == np.floor(value), value, name, "be a whole number", hint)
    return value


def require_risk(risk: ArrayLike, name: str = "empirical_risk") -> Array:
    """A risk in [0, 1]."""
    value = _floats(risk, name)
    hint = "Percentages must be divided by 100."
    require((value >= 0) & (value <= 1), value, name, "lie in [0, 1]", hint)
    return value


def require_complexity(value: ArrayLike, name: str = "kl") -> Array:
    """A number of nats, at least 0; infinity makes the bound vacuous."""
    nats = _floats(value, name)
    require(nats >= 0, nats, name, "be at least 0", "It is a divergence in nats.")
    return nats


def require_finite(value: ArrayLike, name: str) -> Array:
    """A finite number."""
    finite = _floats(value, name)
    require(np.isfinite(finite), finite, name, "be finite")
    return finite


def require_between(value: ArrayLike, name: str, low: float, high: float, hint: str = "") -> Array:
    """A number strictly between two others."""
    inside = _floats(value, name)
    must = f"lie in ({low:g}, {high:g})" if np.isfinite(high) else f"be above {low:g}, and finite"
    require((inside > low) & (inside < high), inside, name, must, hint)
    return inside


def require_losses(losses: ArrayLike, name: str = "losses", dimensions: int = 2) -> Array:
    """Losses in [0, 1] of the examples, shape (n,), or (atoms, n) if two dimensions are allowed."""
    values = _floats(losses, name)
    if values.size == 0 or not 1 <= values.ndim <= dimensions:
        shapes = "(n,)" if dimensions == 1 else "(n,) or (atoms, n)"
        raise ValueError(
            f"`{name}` must have shape {shapes} with at least one number, got {values.shape}."
        )
    require((values >= 0) & (values <= 1), values, name, "lie in [0, 1]")
    return values


def require_grid(grid: ArrayLike, low: float, high: float) -> Array:
    """Parameters fixed in advance, strictly between two numbers: one dimension, at least one."""
    values = np.atleast_1d(require_between(grid, "grid", low, high))
    if values.ndim != 1 or values.size == 0:
        raise ValueError(f"`grid` must have one dimension and an entry, got {values.shape}.")
    return values


def plain(value: ArrayLike) -> FloatOrArray:
    """A float for an array without dimensions, else the array."""
    array = np.asarray(value, dtype=np.float64)
    return float(array) if array.ndim == 0 else array
