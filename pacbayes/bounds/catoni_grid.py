"""Catoni's bound at the best constant of a fixed grid."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from pacbayes.bounds._domain import FloatOrArray, plain, require_delta, require_grid
from pacbayes.bounds.catoni import catoni
from pacbayes.ledger import DeltaLedger

GRID = tuple(2.0**k for k in range(-6, 8))
"""The constants C that are tried: 14 powers of two."""


def catoni_grid(
    *,
    empirical_risk: ArrayLike,
    kl: ArrayLike,
    n: ArrayLike,
    delta: ArrayLike,
    grid: ArrayLike = GRID,
) -> FloatOrArray:
    """With probability ≥ 1 − δ, for all Q and all C of a grid of size K, Catoni's bound at δ/K.

    Assumptions, arguments, result and errors as `catoni`.

    Args:
        empirical_risk: As `seeger_maurer`.
        kl: As `seeger_maurer`.
        n: As `seeger_maurer`.
        delta: As `seeger_maurer`.
        grid: Constants C > 0, chosen without the sample, one dimension; by default 2⁻⁶ … 2⁷.

    Reference: Catoni (2007), with a union bound.

    >>> round(catoni_grid(empirical_risk=0.02, kl=300.0, n=30000, delta=0.05), 9)
    0.047042806
    """
    constants = require_grid(grid, 0, math.inf)
    share = DeltaLedger(require_delta(delta)).split([f"C = {c:g}" for c in constants])[0]
    values = [
        catoni(empirical_risk=empirical_risk, kl=kl, n=n, delta=share, c=c) for c in constants
    ]
    return plain(np.minimum.reduce(values))
