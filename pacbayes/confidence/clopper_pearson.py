"""Exact confidence bounds for a probability from a number of errors."""

from __future__ import annotations

from pacbayes.bounds._domain import require_delta, require_n

_ERROR = 1e-9
"""Far above the relative error of the inverse incomplete beta function in the range of use."""


def clopper_pearson_upper(*, n_errors: int, n: int, delta: float) -> float:
    """Upper bound: the p at which at most `n_errors` of `n` has probability δ, rounded up.

    With probability ≥ 1 − δ over n independent trials the error probability is at most this.

    Args:
        n_errors: Observed errors, 0 to n.
        n: Trials, at least 1.
        delta: Failure probability in (0, 1), one-sided.

    Raises:
        ValueError: An argument outside its domain.

    Reference: Clopper & Pearson (1934).

    >>> round(clopper_pearson_upper(n_errors=0, n=100, delta=0.05), 6)  # 1 − 0.05^(1/100)
    0.029513
    """
    _check(n_errors, n, delta)
    if n_errors == n:
        return 1.0
    from scipy.special import betaincinv

    return min(1.0, float(betaincinv(n_errors + 1, n - n_errors, 1 - delta)) * (1 + _ERROR))


def clopper_pearson_lower(*, n_errors: int, n: int, delta: float) -> float:
    """Lower bound: the p at which at least `n_errors` of `n` has probability δ, rounded down."""
    _check(n_errors, n, delta)
    if n_errors == 0:
        return 0.0
    from scipy.special import betaincinv

    return max(0.0, float(betaincinv(n_errors, n - n_errors + 1, delta)) * (1 - _ERROR))


def _check(n_errors: int, n: int, delta: float) -> None:
    require_n(n)
    require_delta(delta)
    if not 0 <= n_errors <= n:
        raise ValueError(f"`n_errors` must lie in [0, n], got {n_errors} of {n}.")
