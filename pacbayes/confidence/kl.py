"""The kl (Chernoff) bounds for the mean of independent draws in [0, 1]."""

from __future__ import annotations

import math

from pacbayes.bounds._domain import require_delta, require_n, require_risk
from pacbayes.bounds.binary_kl import binary_kl_inverse_lower, binary_kl_inverse_upper


def kl_upper(*, mean: float, n_draws: int, delta: float) -> float:
    """Upper bound: with probability ≥ 1 − δ the expected mean is at most kl⁺(mean, ln(1/δ)/n).

    Holds for independent draws in [0, 1], identically distributed or not; one-sided.

    Args:
        mean: Observed mean of the draws, in [0, 1].
        n_draws: Number of draws, at least 1.
        delta: Failure probability in (0, 1).

    Raises:
        ValueError: An argument outside its domain.

    Reference: Hoeffding (1963), Theorem 1, in its kl form.

    >>> round(kl_upper(mean=0.0, n_draws=100, delta=0.05), 6)
    0.029513
    """
    return binary_kl_inverse_upper(require_risk(mean, "mean"), _complexity(n_draws, delta))


def kl_lower(*, mean: float, n_draws: int, delta: float) -> float:
    """Lower bound kl⁻(mean, ln(1/δ)/n); otherwise as `kl_upper`."""
    return binary_kl_inverse_lower(require_risk(mean, "mean"), _complexity(n_draws, delta))


def _complexity(n_draws: int, delta: float) -> float:
    return -math.log(require_delta(delta)) / require_n(n_draws, "n_draws") * (1 + 2.0**-50)
