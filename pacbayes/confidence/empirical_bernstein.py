"""The empirical Bernstein bounds for the mean of independent draws in [0, 1]."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from pacbayes.bounds._complexity import risk_below
from pacbayes.bounds._domain import (
    Array,
    FloatOrArray,
    plain,
    require,
    require_delta,
    require_finite,
    require_n,
    require_risk,
)
from pacbayes.bounds._rounding import risk_up, up


def empirical_bernstein_upper(
    *, mean: ArrayLike, variance: ArrayLike, n_draws: ArrayLike, delta: ArrayLike
) -> FloatOrArray:
    """With probability ≥ 1 − δ, μ ≤ mean + √(2 V ln(2/δ)/n) + 7 ln(2/δ)/(3 (n − 1)).

    Args:
        mean: Observed mean of independent draws in [0, 1]; any shape.
        variance: V, their unbiased sample variance (divided by n − 1), in [0, 1/2].
        n_draws: Number of draws, at least 2.
        delta: Failure probability in (0, 1), one-sided.

    Returns:
        An upper bound on the expected mean, at most 1.0.

    Raises:
        ValueError: An argument outside its domain.

    Reference: Maurer & Pontil (2009), Empirical Bernstein Bounds and Sample Variance Penalization,
    Theorem 4.

    >>> round(empirical_bernstein_upper(mean=0.02, variance=1e-4, n_draws=1000, delta=0.05), 6)
    0.029475
    """
    return plain(risk_up(require_risk(mean, "mean") + _width(variance, n_draws, delta)))


def empirical_bernstein_lower(
    *, mean: ArrayLike, variance: ArrayLike, n_draws: ArrayLike, delta: ArrayLike
) -> FloatOrArray:
    """Lower bound, on an event of its own; arguments as `empirical_bernstein_upper`."""
    middle, width = require_risk(mean, "mean"), _width(variance, n_draws, delta)
    return plain(risk_below(middle - width, middle + width))


def _width(variance: ArrayLike, n_draws: ArrayLike, delta: ArrayLike) -> Array:
    spread, n = require_finite(variance, "variance"), require_n(n_draws, "n_draws", least=2)
    require((spread >= 0) & (spread <= 0.5), spread, "variance", "lie in [0, 1/2]")
    log = np.log(2.0) - np.log(require_delta(delta))
    return up(np.sqrt(2 * spread * log / n) + 7 * log / (3 * (n - 1)))
