"""Students of N inputs trained for real, in the setting of `benchmarks.perceptron.theory`."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.special import expit

from benchmarks.perceptron.task import Student, Task
from benchmarks.perceptron.windows import Window

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A trained student.

    Attributes:
        student: What its risks follow from.
        empirical_risk: Share of training examples whose label its sign is not.
        squared_distance: Of its weights from those that it started from.
    """

    student: Student
    empirical_risk: float
    squared_distance: float


def simulate(
    task: Task,
    windows: tuple[Window, ...],
    weights: tuple[float, ...],
    *,
    n: int,
    inputs: int,
    rng: np.random.Generator,
) -> Trained:
    """Train a student on n fresh examples, each from a window drawn by the weights."""
    x, y = examples(task, windows, weights, n=n, inputs=inputs, rng=rng)
    start = np.zeros(inputs)
    start[0] = task.start
    w = (_ridge if task.loss == "square" else _logistic)(x, y, start, task.ridge * inputs)
    return Trained(
        student=Student(
            along_probe=float(w[0]), along_rest=float(w[1]), other=float(np.linalg.norm(w[2:]))
        ),
        empirical_risk=float(np.mean(x @ w * y <= 0)),
        squared_distance=float(np.sum((w - start) ** 2)),
    )


def examples(
    task: Task,
    windows: tuple[Window, ...],
    weights: tuple[float, ...],
    *,
    n: int,
    inputs: int,
    rng: np.random.Generator,
) -> tuple[Array, Array]:
    """Inputs (n, N), the probe's direction and the rest of the teacher's first, and labels ±1."""
    x = rng.standard_normal((n, inputs))
    counts = rng.multinomial(n, weights)
    x[:, 0] = np.concatenate(
        [part.sample(count, rng) for part, count in zip(windows, counts, strict=True)]
    )
    field = task.overlap * x[:, 0] + math.sqrt(1 - task.overlap**2) * x[:, 1]
    flipped = rng.random(n) < task.flip
    return x, np.where((field > 0) != flipped, 1.0, -1.0)


def _ridge(x: Array, y: Array, start: Array, ridge: float) -> Array:
    """Exact; by the smaller of the two Gram matrices."""
    n, inputs = x.shape
    residual = y - x @ start
    if n < inputs:
        gram = x @ x.T + ridge * np.eye(n)
        return start + x.T @ cho_solve(cho_factor(gram), residual)
    gram = x.T @ x + ridge * np.eye(inputs)
    return start + cho_solve(cho_factor(gram), x.T @ residual)


def _logistic(x: Array, y: Array, start: Array, ridge: float) -> Array:
    """Newton with step halving."""

    def objective(w: Array) -> float:
        return np.logaddexp(0, -y * (x @ w)).sum() + 0.5 * ridge * np.sum((w - start) ** 2)

    w = start
    for _ in range(100):
        margin = y * (x @ w)
        gradient = ridge * (w - start) - x.T @ (y * expit(-margin))
        if np.linalg.norm(gradient) < 1e-8 * len(y):
            return w
        curvature = expit(margin) * expit(-margin)
        hessian = x.T @ (curvature[:, None] * x) + ridge * np.eye(len(w))
        step = cho_solve(cho_factor(hessian), gradient)
        size, now = 1.0, objective(w)
        while objective(w - size * step) > now and size > 1e-6:
            size /= 2
        w = w - size * step
    raise ArithmeticError("the logistic student did not converge.")
