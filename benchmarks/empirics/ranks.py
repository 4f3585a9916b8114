"""Rank correlations (Spearman 1904) with intervals over seeds."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

Floats = NDArray[np.float64]


def spearman(x: ArrayLike, y: ArrayLike) -> Floats:
    """Rank correlation along the last axis; 0 where one of the two does not vary.

    >>> float(spearman([1, 2, 3], [10, 20, 15]))
    0.5
    """
    a, b = np.broadcast_arrays(np.asarray(x, float), np.asarray(y, float))
    ranks = [rankdata(values, axis=-1) for values in (a, b)]
    u, v = (r - r.mean(axis=-1, keepdims=True) for r in ranks)
    norm = np.sqrt((u**2).sum(axis=-1) * (v**2).sum(axis=-1))
    product = (u * v).sum(axis=-1)
    found: Floats = np.where(norm > 1e-12, product / np.maximum(norm, 1e-12), 0.0)
    return found
