"""Many small penalised least-squares problems solved side by side."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.intp]


@dataclass(frozen=True, kw_only=True)
class Solution:
    """Minimisers of a batch of problems.

    Attributes:
        x: Shape (batch, parameters).
        residuals: Residuals there, shape (batch, residuals); without the penalty's.
        jacobian: Their derivatives, shape (batch, residuals, parameters).
        converged: Shape (batch,).
    """

    x: Floats
    residuals: Floats
    jacobian: Floats
    converged: NDArray[np.bool_]


def penalized_least_squares(
    residuals: Callable[[Floats, Integers], tuple[Floats, Floats]],
    start: Floats,
    centre: Floats,
    *,
    max_steps: int = 200,
    tolerance: float = 1e-9,
) -> Solution:
    """Minimise |residuals(x)|² + |x − centre|², problem by problem.

    Levenberg–Marquardt with a damping of its own for each problem; a problem leaves the batch when
    the next step promises less than `tolerance` of its objective. The penalty keeps every normal
    matrix above the identity, so that none is singular. A problem's solution does not depend on
    the others in the batch.

    Args:
        residuals: Given points of shape (some, parameters) and the indices of the problems that
            they belong to, returns residuals (some, m) and Jacobian (some, m, parameters).
        start: Shape (batch, parameters).
        centre: Shape (batch, parameters).
        max_steps: Steps after which a problem is given up as not converged.
        tolerance: Promised relative decrease of the objective at which a problem is solved.
    """
    x = start.copy()
    r, jacobian = residuals(x, np.arange(len(x)))
    damping = np.full(len(x), 1e-3)
    active: Integers = np.arange(len(x))
    for _ in range(max_steps):
        step, promised = _step(x[active], centre[active], r[active], jacobian[active], damping)
        before = _objective(x[active], centre[active], r[active])
        done = promised <= tolerance * (1 + before)
        active, damping = active[~done], damping[~done]
        step, before = step[~done], before[~done]
        if not len(active):
            break
        trial = x[active] + step
        trial_r, trial_jacobian = residuals(trial, active)
        better = _objective(trial, centre[active], trial_r) <= before
        moved = active[better]
        x[moved], r[moved], jacobian[moved] = trial[better], trial_r[better], trial_jacobian[better]
        damping = np.where(better, np.maximum(damping / 5, 1e-12), damping * 4)
    converged = np.ones(len(x), dtype=np.bool_)
    converged[active] = False
    return Solution(x=x, residuals=r, jacobian=jacobian, converged=converged)


def _step(
    x: Floats, centre: Floats, r: Floats, jacobian: Floats, damping: Floats
) -> tuple[Floats, Floats]:
    """Return the damped step, and the decrease that the quadratic model promises for it."""
    transposed = np.swapaxes(jacobian, 1, 2)
    gradient = (transposed @ r[:, :, None])[:, :, 0] + x - centre
    normal = transposed @ jacobian
    diagonal = np.arange(x.shape[1])
    normal[:, diagonal, diagonal] += 1 + damping[:, None]
    step = np.linalg.solve(normal, -gradient[:, :, None])[:, :, 0].astype(np.float64)
    promised: Floats = -np.sum(gradient * step, axis=1)
    return step, promised


def _objective(x: Floats, centre: Floats, r: Floats) -> Floats:
    objective: Floats = np.sum(r**2, axis=1) + np.sum((x - centre) ** 2, axis=1)
    return objective
