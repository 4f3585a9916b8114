"""The kl (Chernoff) bounds for the mean of independent draws in [0, 1]."""

from __future__ import annotations

from numpy.typing import ArrayLike

from pacbayes.bounds import test_set_kl, test_set_kl_lower
from pacbayes.bounds._domain import FloatOrArray, require_n, require_risk


def kl_upper(*, mean: ArrayLike, n_draws: ArrayLike, delta: ArrayLike) -> FloatOrArray:
    """Upper bound: with probability ≥ 1 − δ the expected mean is at most kl⁺(mean, ln(1/δ)/n).

    Holds for independent draws in [0, 1], identically distributed or not; one-sided.

    Args:
        mean: Observed mean of the draws, in [0, 1]; any shape. A mean that was rounded is to be
            rounded up.
        n_draws: Number of draws, at least 1; any shape that broadcasts, as the next.
        delta: Failure probability in (0, 1).

    Raises:
        ValueError: An argument outside its domain.

    Reference: Hoeffding (1963), Theorem 1, in its kl form.

    >>> round(kl_upper(mean=0.0, n_draws=100, delta=0.05), 6)  # 1 − 0.05^(1/100)
    0.029513
    """
    draws = require_n(n_draws, "n_draws")
    return test_set_kl(empirical_risk=require_risk(mean, "mean"), n=draws, delta=delta)


def kl_lower(*, mean: ArrayLike, n_draws: ArrayLike, delta: ArrayLike) -> FloatOrArray:
    """Lower bound kl⁻(mean, ln(1/δ)/n); otherwise as `kl_upper`."""
    draws = require_n(n_draws, "n_draws")
    return test_set_kl_lower(empirical_risk=require_risk(mean, "mean"), n=draws, delta=delta)
