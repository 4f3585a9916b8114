"""Optimal difficulties that can be written down: for understanding, and to test planners with.

Difficulty d in [0, 1], generalization gap √(KL/(2n)) with the log terms dropped, r̂ the same for all
d, and an extrapolation gap that falls to 0 at d = 1. Derived in tests/planning/test_derivations.py.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from pacbayes.bounds._domain import (
    Array,
    FloatOrArray,
    plain,
    require,
    require_between,
    require_finite,
)
from pacbayes.gaps._domain import input_errors

_STEPS = 60


@input_errors()
def bang_bang_budget(k: ArrayLike, slope: ArrayLike) -> FloatOrArray:
    """n* = k²/(2L²), where KL = k² d² and the gap is L (1 − d): easiest below, hardest above.

    Args:
        k: Above 0, root of nats per difficulty; any shape.
        slope: L above 0, risk per difficulty; any shape that broadcasts.

    Raises:
        InputError: An argument outside its domain.

    >>> round(bang_bang_budget(4, 0.2), 9)
    200.0
    """
    return plain(_above_0(k, "k") ** 2 / (2 * _above_0(slope, "slope") ** 2))


@input_errors()
def bang_bang(budgets: ArrayLike, *, k: ArrayLike, slope: ArrayLike) -> tuple[Array, Array]:
    """(lowest, highest) optimal difficulty for KL = k² d² and the gap L (1 − d).

    The objective is linear in d: 0 below the budget `bang_bang_budget`, 1 above, all of [0, 1] at
    it.

    Args:
        budgets: n above 0, any shape.
        k: As `bang_bang_budget`.
        slope: L, as there.

    Raises:
        InputError: An argument outside its domain.

    >>> low, high = bang_bang([100, 200, 300], k=4, slope=0.2)
    >>> low.tolist(), high.tolist()
    ([0.0, 0.0, 1.0], [0.0, 1.0, 1.0])
    """
    n, switch = _above_0(budgets, "budgets"), np.asarray(bang_bang_budget(k, slope))
    at = np.isclose(n, switch, rtol=1e-12, atol=0)
    return np.where((n > switch) & ~at, 1.0, 0.0), np.where((n > switch) | at, 1.0, 0.0)


@input_errors()
def quadratic_gap(
    budgets: ArrayLike, *, c: ArrayLike, growth: ArrayLike = 0.0, curvature: ArrayLike = 1.0
) -> FloatOrArray:
    """d* = max(0, 1 − √(c n^{a−1}/2)/λ), where KL = c n^a d² and the gap is (λ/2) (1 − d)².

    It rises with n for a < 1, is the same for all n at a = 1, and falls for a > 1.

    Args:
        budgets: n above 0, any shape.
        c: Nats at d = 1 and n = 1, above 0; any shape that broadcasts, as the next two.
        growth: a, finite.
        curvature: λ above 0.

    Raises:
        InputError: An argument outside its domain.

    >>> quadratic_gap([50, 100, 1000], c=100).round(6).tolist()
    [0.0, 0.292893, 0.776393]
    """
    n, scale = _above_0(budgets, "budgets"), _above_0(c, "c")
    exponent = require_finite(growth, "growth") - 1
    price = np.sqrt(scale * n**exponent / 2) / _above_0(curvature, "curvature")
    return plain(np.maximum(0.0, 1 - price))


@input_errors()
def offset_kl(
    budgets: ArrayLike, *, b: ArrayLike, c: ArrayLike, curvature: ArrayLike = 1.0
) -> FloatOrArray:
    """The d in (0, 1) with c d = λ (1 − d) √(2n (b + c d²)): KL = b + c d², gap (λ/2) (1 − d)².

    The one root of a quartic in (0, 1), as the objective is convex; by bisection.

    Args:
        budgets: n above 0, any shape.
        b: Nats that even the easiest data cost, above 0; any shape that broadcasts, as the rest.
        c: Nats more at d = 1, above 0.
        curvature: λ above 0.

    Raises:
        InputError: An argument outside its domain.

    >>> offset_kl([20, 100, 1000, 10000], b=20, c=100).round(6).tolist()
    [0.24362, 0.481763, 0.804557, 0.936195]
    """
    n, offset, scale = _above_0(budgets, "budgets"), _above_0(b, "b"), _above_0(c, "c")
    lam = _above_0(curvature, "curvature")
    shape = np.broadcast_shapes(n.shape, offset.shape, scale.shape, lam.shape)
    low, high = np.zeros(shape), np.ones(shape)
    for _ in range(_STEPS):
        d = (low + high) / 2
        rising = scale * d > lam * (1 - d) * np.sqrt(2 * n * (offset + scale * d**2))
        low, high = np.where(rising, low, d), np.where(rising, d, high)
    return plain((low + high) / 2)


@input_errors()
def best_target_share(
    n_target: ArrayLike, n_source: ArrayLike, *, d_squared: ArrayLike
) -> FloatOrArray:
    """α*, the weight of target data beside source data that makes Ben-David et al.'s bound least.

    The bound is, up to a positive factor and what does not depend on α,

        D √(α²/m_T + (1 − α)²/m_S) + (1 − α),

    D the ratio of the estimation error's scale to the distance of the domains. With m = m_T + m_S
    it is convex in α with slope 0 at ν = (m_T/m) (1 + m_S/√(D² m − m_T m_S)), so that α* is
    min(1, ν), and 1 (no source data) from m_T ≥ D² on.

    Args:
        n_target: m_T, labelled target examples, above 0; any shape.
        n_source: m_S, labelled source examples, above 0; any shape that broadcasts, as the next.
        d_squared: D² above 0, in examples.

    Raises:
        InputError: An argument outside its domain.

    Reference: Ben-David, Blitzer, Crammer, Kulesza, Pereira & Vaughan (2010), A Theory of Learning
    from Different Domains, section 5.

    >>> m_T, m_S = [1000, 3000, 3200, 2500], [50000, 50000, 50000, 2500]
    >>> best_target_share(m_T, m_S, d_squared=1601 / 0.715**2).round(6).tolist()
    [0.113205, 0.764599, 1.0, 0.907522]
    """
    target, source = _above_0(n_target, "n_target"), _above_0(n_source, "n_source")
    square = _above_0(d_squared, "d_squared")
    total = target + source
    # above 0 where m_T < D²: D² m_T + (D² − m_T) m_S
    inside = square * target + (square - target) * source
    with np.errstate(all="ignore"):
        share = target / total * (1 + source / np.sqrt(inside))
    return plain(np.where(target >= square, 1.0, np.fmin(share, 1.0)))


def _above_0(value: ArrayLike, name: str) -> Array:
    if name == "budgets":
        number = require_finite(value, name)
        require(number > 0, number, name, "be above 0", "It counts independent units.")
        return number
    return require_between(value, name, 0, np.inf)
