"""Windows of the probe's margin: the strata, and quadrature over mixtures of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

Array = NDArray[np.float64]

WIDTH = 0.2
"""Share of all inputs in a window."""

FARTHEST = 9.0
"""Margins beyond it have probability 2e-19."""


@dataclass(frozen=True)
class Window:
    """Inputs whose difficulty lies between two numbers in [0, 1].

    The difficulty of an input is the probability of a margin larger than its own in size: 0 is
    farthest from the boundary, 1 on it.
    """

    easiest: float
    hardest: float

    @property
    def margins(self) -> tuple[float, float]:
        """The least and largest margin in size.

        >>> Window(0.0, 1.0).margins
        (0.0, 9.0)
        """
        low, high = (float(-ndtri(d / 2)) for d in (self.hardest, self.easiest))
        return abs(low), min(high, FARTHEST)

    def sample(self, size: int, rng: np.random.Generator) -> Array:
        """Margins with either sign."""
        margin = -ndtri(rng.uniform(self.easiest, self.hardest, size) / 2)
        return margin * rng.choice([-1.0, 1.0], size)


def window(difficulty: float) -> Window:
    """The window centred at a difficulty.

    >>> window(0.1)
    Window(easiest=0.0, hardest=0.2)
    """
    low = max(difficulty - WIDTH / 2, 0.0)
    return Window(round(low, 12), round(min(low + WIDTH, 1.0), 12))


@lru_cache(maxsize=4096)
def nodes(
    windows: tuple[Window, ...], weights: tuple[float, ...], per_window: int = 60
) -> tuple[Array, Array]:
    """Margins s > 0 and their probabilities: Gauss-Legendre in each window.

    Averages of functions with f(s) = f(−s) are exact to about 1e-13.
    """
    x, w = np.polynomial.legendre.leggauss(per_window)
    margins, masses = [], []
    for part, weight in zip(windows, weights, strict=True):
        if weight:
            low, high = part.margins
            s = low + (high - low) * (x + 1) / 2
            mass = w * np.exp(-0.5 * s * s)
            margins.append(s)
            masses.append(weight * mass / mass.sum())
    return np.concatenate(margins), np.concatenate(masses)
