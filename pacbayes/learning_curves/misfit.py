"""How far pilot runs lie off curves that were fitted to them, beyond what noise explains.

No family of curves holds exactly. A cell of difficulty d and budget n is taken to have the risk

    logit risk(d, n) = logit R(d, n) + δ(d, n),   δ ~ N(0, τ²), independent over cells,

the simplest discrepancy of a model (Kennedy & O'Hagan 2001) that keeps risks in (0, 1). τ is the
value at which the squared residuals sum to their expectation (Paule & Mandel 1982, who did this for
laboratories that measure the same quantity): 0 if noise alone explains them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

Floats = NDArray[np.float64]

LARGEST_SPREAD = 10.0
"""Of logit risk: beyond it, risks near 0 and near 1 are all one."""


def misfit_variance(risk: Floats, spread: float) -> Floats:
    """Return the variance of a cell's risk about the curve, (R(1 − R)τ)², to first order in τ."""
    variance: Floats = (risk * (1 - risk) * spread) ** 2
    return variance


def misfit_spread(residuals: Floats, variance: Floats, risk: Floats, freedom: float) -> float:
    """Return τ ≥ 0 with Σ residual²/(noise variance + misfit variance) = degrees of freedom.

    Args:
        residuals: Means of cells less the curve, shape (cells,).
        variance: Of each mean by noise alone, positive; shape (cells,).
        risk: The curve's, shape (cells,).
        freedom: Expectation of the sum where the curves hold: see `degrees_of_freedom`.

    >>> noise, risk = np.full(4, 0.01**2), np.full(4, 0.5)
    >>> misfit_spread(np.array([0.01, -0.01, 0.01, -0.01]), noise, risk, 4.0)
    0.0
    >>> round(misfit_spread(np.array([0.05, -0.05, 0.05, -0.05]), noise, risk, 4.0), 4)
    0.196
    """

    def excess(spread: float) -> float:
        total = variance + misfit_variance(risk, spread)
        return float(np.sum(residuals**2 / total)) - freedom

    if excess(0.0) <= 0:
        return 0.0
    if excess(LARGEST_SPREAD) >= 0:
        return LARGEST_SPREAD
    return float(brentq(excess, 0.0, LARGEST_SPREAD))


def degrees_of_freedom(jacobian: Floats) -> float:
    """Return cells less the parameters in effect, tr J(JᵀJ + I)⁻¹Jᵀ, at least 1.

    Args:
        jacobian: Of the weighted residuals by coordinates whose prior is standard normal, shape
            (cells, parameters).
    """
    gram = jacobian.T @ jacobian
    in_effect = np.trace(np.linalg.solve(gram + np.eye(len(gram)), gram))
    return max(len(jacobian) - float(in_effect), 1.0)
