"""The constants ξ(n) and K(n) of the kl bounds, in constant time, rounded up."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from pacbayes.bounds._domain import Array, FloatOrArray, plain, require_n
from pacbayes.bounds._rounding import ULP, up

_TABLE = 1000
"""Below, values are tabulated; from here on the omitted terms of the expansions are below 1e-16."""

_TABLE_SLACK = 100 * ULP
"""A table entry is made by a few operations for each of at most 300 terms that count."""


def xi(n: ArrayLike) -> FloatOrArray:
    """ξ(n) = Σ_k C(n,k) (k/n)^k (1 − k/n)^(n−k) = sup_p E exp(n kl(k/n‖p)), k ~ Bin(n, p).

    It is 1 + Q(n) with Ramanujan's Q(n) = Σ_{k≥1} n!/((n − k)! n^k), and at most 2 √n.

    Args:
        n: Sample sizes, whole numbers from 1 to 2^53, any shape.

    Returns:
        ξ(n), never below the true value, within 1e-13 relative; the time does not depend on n.

    Raises:
        ValueError: A value outside its domain.

    Reference: Maurer (2004), A Note on the PAC Bayesian Theorem; Flajolet, Grabner, Kirschenhofer
    & Prodinger (1995), On Ramanujan's Q-function.

    >>> round(xi(1), 9), round(xi(2), 9)
    (2.0, 2.5)
    >>> round(xi(1e15), 3)
    39633273.643
    """
    return plain(_looked_up(require_n(n), _xi_table(), _xi_expansion))


def log_xi(n: ArrayLike) -> FloatOrArray:
    """Ln ξ(n), never below the true value; as `xi`."""
    return plain(up(np.log(xi(n))))


def kt_constant(n: ArrayLike) -> FloatOrArray:
    """K(n) = √π Γ(n + 1)/Γ(n + 1/2), never below the true value, about √(π n).

    What the Krichevsky–Trofimov mixture of bets loses at most to the best bet in hindsight over n
    rounds. Arguments and errors as `xi`.

    Reference: Krichevsky & Trofimov (1981); Cover & Ordentlich (1996), Theorem 3.

    >>> round(kt_constant(1), 9), round(kt_constant(2), 9)
    (2.0, 2.666666667)
    """
    return plain(_looked_up(require_n(n), _kt_table(), _kt_expansion))


def log_kt_constant(n: ArrayLike) -> FloatOrArray:
    """Ln K(n), never below the true value; as `kt_constant`."""
    return plain(up(np.log(kt_constant(n))))


def _looked_up(n: Array, table: Array, expansion: object) -> Array:
    small = table[np.minimum(n, _TABLE - 1).astype(np.int64)]
    large = up(expansion(np.maximum(n, _TABLE)))  # type: ignore[operator]
    return np.where(n < _TABLE, small, large)


@lru_cache(maxsize=1)
def _xi_table() -> Array:
    # Horner: Q(n) = 1 + (1 − 1/n)(1 + (1 − 2/n)(1 + …))
    n = np.arange(_TABLE, dtype=np.float64)
    n[0] = 1  # never looked up
    total = np.zeros_like(n)
    for k in range(_TABLE - 1, 0, -1):
        total = 1 + np.maximum(n - k, 0) / n * total
    return up(1 + total, _TABLE_SLACK)


def _xi_expansion(n: Array) -> Array:
    half = np.sqrt(np.pi / (2 * n)) * (
        n + 1 / 12 + (1 / 288 - (139 / 51840 + 571 / (2488320 * n)) / n) / n
    )
    return half + 2 / 3 - (4 / 135 - (8 / 2835 + 16 / (8505 * n)) / n) / n


@lru_cache(maxsize=1)
def _kt_table() -> Array:
    # K(n) = Π_{k≤n} 2k/(2k − 1)
    k = np.arange(1, _TABLE, dtype=np.float64)
    products = np.concatenate([[1.0], np.cumprod(2 * k / (2 * k - 1))])
    return up(products, (2 * np.arange(_TABLE) + 8) * ULP)


def _kt_expansion(n: Array) -> Array:
    series = np.full_like(n, _KT[-1])
    for coefficient in reversed(_KT[:-1]):
        series = coefficient + series / n
    return np.sqrt(np.pi * n) * series


_KT = (1.0, 1 / 8, 1 / 128, -5 / 1024, -21 / 32768, 399 / 262144)
"""Γ(n + 1)/(√n Γ(n + 1/2)) in powers of 1/n."""
