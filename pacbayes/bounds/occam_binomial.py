"""The Occam bound for 0-1 losses, by the exact binomial tail."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from pacbayes.bounds._domain import FloatOrArray, plain, require_delta
from pacbayes.bounds._rounding import ULP
from pacbayes.bounds.binomial_tail import binomial_tail_inverse_upper, require_errors
from pacbayes.bounds.occam_kl import require_log_prior


def occam_binomial(
    *, n_errors: ArrayLike, log_prior: ArrayLike, n: ArrayLike, delta: ArrayLike
) -> FloatOrArray:
    """With probability ≥ 1 − δ, for all h at once, P(Bin(n, R(h)) ≤ n_errors(h)) ≥ δ P(h).

    The bound is the largest such R(h): `test_set_binomial` at δ P(h), however small that is.
    Assumes n independent, identically distributed examples and a loss of 0 or 1.

    Args:
        n_errors: Errors of the one hypothesis on the sample, a whole number from 0 to n.
        log_prior: As `occam_kl`.
        n: Examples, at least 1.
        delta: Failure probability in (0, 1).

    Returns:
        An upper bound on R(h), at most 1.0.

    Raises:
        ValueError: An argument outside its domain.

    Reference: Langford (2005), Tutorial on Practical Prediction Theory for Classification,
    Theorem 4.1.

    >>> round(occam_binomial(n_errors=600, log_prior=-300.0, n=30000, delta=0.05), 9)
    0.046484118
    """
    errors, size = require_errors(n_errors, n)
    log_delta = require_log_prior(log_prior) + np.log(require_delta(delta))
    return plain(binomial_tail_inverse_upper(errors, size, log_delta * (1 + 4 * ULP)))
