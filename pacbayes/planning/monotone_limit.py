"""How large a kl bound may be before more data can move its optimum to easier data."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from pacbayes.bounds import binary_kl
from pacbayes.bounds._domain import Array, FloatOrArray, plain, require_risk
from pacbayes.gaps._domain import input_errors

_STEPS = 60


def is_above_limit(empirical_risk: Array, risk_bound: Array) -> np.ndarray:
    """Whether kl(r̂‖p) (1 + r̂ (1 − r̂)/(p − r̂)²) > 1 at the bound p, element by element."""
    difference = risk_bound - empirical_risk
    with np.errstate(all="ignore"):
        ratio = empirical_risk * (1 - empirical_risk) / difference**2
        value = np.asarray(binary_kl(empirical_risk, risk_bound)) * (1 + ratio)
    # near p = r̂ the value is 1/2, where it is lost in rounding
    return np.asarray((difference > 1e-6) & (value > 1))


@input_errors()
def monotone_limit(empirical_risk: ArrayLike) -> FloatOrArray:
    """The bound p up to which kl⁺(r̂, KL/n) keeps the best difficulty nondecreasing in n.

    With f(c) = kl⁺(r̂, c), a harder choice with more KL gains more from more data as long as
    c f′(c) rises, which is to say while kl(r̂‖p) (1 + r̂ (1 − r̂)/(p − r̂)²) ≤ 1; beyond, the bound
    is so near 1 that it hardly falls. Derived in tests/planning/test_derivations.py. If the hardest
    best choice at a budget is below, so is every easier choice and every larger budget.

    Args:
        empirical_risk: r̂ in [0, 1], the same for all difficulties; any shape.

    Raises:
        InputError: A risk outside [0, 1].

    >>> monotone_limit([0.0, 0.1, 0.3]).round(2).tolist()
    [0.63, 0.7, 0.78]
    """
    q = require_risk(empirical_risk)
    low, high = q.copy(), np.ones_like(q)
    for _ in range(_STEPS):
        middle = (low + high) / 2
        above = is_above_limit(q, middle)
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    return plain(low)
