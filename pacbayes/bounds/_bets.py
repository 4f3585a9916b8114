"""The logarithm of what one bet makes of a loss."""

from __future__ import annotations

from typing import Any

import numpy as np

from pacbayes.bounds._domain import Array


def log_bet(lam: Any, losses: Any) -> Array:
    """Ln(1 − λ ℓ) for λ < 1 and losses in [0, 1], to a few ulps of itself.

    Where λ ℓ is near 1 the difference is taken as (1 − λ) + λ (1 − ℓ), in which nothing cancels.
    """
    product = lam * losses
    with np.errstate(divide="ignore"):
        near = np.log((1 - lam) + lam * (1 - losses))
        return np.asarray(np.where(product > 0.5, near, np.log1p(-product)))
