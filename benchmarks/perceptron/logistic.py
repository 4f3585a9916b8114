"""The fixed point of the logistic student; see `benchmarks.perceptron.theory` for the equations."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import root
from scipy.special import expit

from benchmarks.perceptron.task import Student, Task
from benchmarks.perceptron.windows import Window, nodes

Array = NDArray[np.float64]


def logistic_student(
    task: Task, windows: tuple[Window, ...], weights: tuple[float, ...], alpha: float
) -> Student:
    """The student of n = α N examples from a mixture of windows; overlap 1 and start 0.

    Raises:
        ArithmeticError: The iteration did not converge.
    """
    update = _Update(task, windows, weights, alpha)
    x = np.log([1 / (task.ridge + alpha / 4), 0.3, 0.3])
    for _ in range(20):  # into the basin of the root finder
        x = 0.5 * (x + update(x))
    found = root(lambda x: update(x) - x, x, method="hybr", tol=1e-11)
    if np.max(np.abs(update(found.x) - found.x)) > 1e-7:
        raise ArithmeticError(f"no fixed point at alpha = {alpha}, {task}: {found.message}")
    _, along, other = np.exp(found.x)
    return Student(along_probe=float(along), along_rest=0.0, other=float(other))


class _Update:
    """One step of the equations, on the logarithms of V, a₁ and p."""

    def __init__(
        self, task: Task, windows: tuple[Window, ...], weights: tuple[float, ...], alpha: float
    ) -> None:
        self.ridge, self.alpha = task.ridge, alpha
        s, mass = nodes(windows, weights, per_window=16)
        self.g, density = np.polynomial.hermite_e.hermegauss(32)
        # by symmetry s > 0 and the label is +1, or -1 if flipped
        self.label = np.array([1.0, -1.0])[: 1 + (task.flip > 0), None, None]
        share = np.array([1 - task.flip, task.flip])[: len(self.label)]
        self.mass = np.einsum("l,s,g->lsg", share, mass, density / density.sum())
        self.s = s[:, None]

    def __call__(self, logs: Array) -> Array:
        v, a, p = np.exp(logs)
        margin = proximal_margin(self.label * (a * self.s + p * self.g), v)
        force, curvature = expit(-margin), expit(margin) * expit(-margin)
        stiff = self.ridge + self.alpha * (self.mass * curvature / (1 + v * curvature)).sum()
        pull = self.alpha * (self.mass * self.label * force * self.s).sum()
        # with (stiff - ridge) a on both sides, as near Newton's step for a
        along = ((stiff - self.ridge) * a + pull) / stiff
        other = math.sqrt(self.alpha * (self.mass * force**2).sum()) / stiff
        return np.log([1 / stiff, max(along, 1e-12), other])


def proximal_margin(along: Array, v: float) -> Array:
    """The m that solves m = along + v / (1 + eᵐ), by Newton within a bracket.

    >>> m = proximal_margin(np.array([-3.0, 0.0, 3.0]), 5.0)
    >>> np.allclose(m, [-3, 0, 3] + 5 / (1 + np.exp(m)))
    True
    """
    low, high = along, along + v
    m = np.clip(np.maximum(along, 0.0), low, high)
    for _ in range(100):
        slope = expit(m) * expit(-m)
        excess = m - along - v * expit(-m)
        low, high = np.where(excess < 0, m, low), np.where(excess < 0, high, m)
        new = m - excess / (1 + v * slope)
        new = np.where((new >= low) & (new <= high), new, (low + high) / 2)
        if np.max(np.abs(new - m)) < 1e-13 * (1 + v):
            return new
        m = new
    return m
