"""Exact risks of a perceptron student in the limit of many inputs N, n / N = α fixed.

Inputs are standard normal in N dimensions. Only two directions matter: the probe's, along which an
input has margin s, and the rest of the teacher's, along which it has t; the teacher's field is
γ s + √(1−γ²) t with γ the overlap of probe and teacher, and the label is its sign, flipped with a
fixed probability. A student is known by its weights (a₁, a₂) along the two and by the norm p of
the others, which look like noise: its field is a₁ s + a₂ t + p g with g standard normal. The
training distribution enters through that of (s, y) alone, as only s was selected on.

Both students minimise Σ ℓ(y, field) + N (λ/2) ‖w − w₀‖², w₀ = c · probe, at N → ∞ (the convex
Gaussian min-max theorem, Thrampoulidis, Oymak and Hassibi 2015; for selected data Sorscher,
Geirhos, Shekhar, Ganguli and Morcos 2022). With V the proximal step, η the minimiser of
ℓ(y, η) + (η − ξ)² / (2V), f = (η − ξ) / V the force on an example of field ξ:

    V = 1 / (λ + α E[−∂f/∂ξ]),   p² = V² α E f²,   λ (a_j − w₀_j) = α E[z_j f],   z = (s, t).

Ridge has ℓ = (y − η)² / 2, hence f = (y − ξ) / (1 + V), and all of it in closed form in the
moments of (s, y), for mixtures too: it is the learner of choice here. Logistic loss with small λ,
nearly the largest margin, needs numerical iteration, here with γ = 1 and w₀ = 0.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, owens_t

from benchmarks.perceptron.logistic import logistic_student
from benchmarks.perceptron.task import SHARPEST, Student, Task
from benchmarks.perceptron.windows import Window, nodes

Array = NDArray[np.float64]


@lru_cache(maxsize=65536)
def train(
    task: Task, windows: tuple[Window, ...], weights: tuple[float, ...], alpha: float
) -> Student:
    """The student of n = α N examples from a mixture of windows.

    Args:
        task: What is learned.
        windows: Of margins.
        weights: Nonnegative, of sum 1.
        alpha: Above 0.

    >>> round(train(Task(), (Window(0.0, 1.0),), (1.0,), 100.0).along_probe, 3)  # √(2/π) = .798
    0.797
    """
    return (_ridge if task.loss == "square" else logistic_student)(task, windows, weights, alpha)


def _ridge(
    task: Task, windows: tuple[Window, ...], weights: tuple[float, ...], alpha: float
) -> Student:
    gap = task.ridge + alpha - 1
    v = 2 / (gap + math.hypot(gap, 2 * math.sqrt(task.ridge)))
    if gap < 0:  # the same root without cancellation
        v = (math.hypot(gap, 2 * math.sqrt(task.ridge)) - gap) / (2 * task.ridge)
    s, mass = nodes(windows, weights)
    field = task.teacher(s)
    clean = 1 - 2 * task.flip
    label = clean * np.array(
        [mass @ (s * (2 * ndtr(field) - 1)), mass @ (2 * _density(field)) * (task.overlap < 1)]
    )
    square = np.array([mass @ s**2, 1.0])
    pull = alpha / (1 + v)
    start = np.array([task.start, 0.0])
    a = (task.ridge * start + pull * label) / (task.ridge + pull * square)
    residual = 1 - 2 * a @ label + square @ a**2
    share = alpha * (v / (1 + v)) ** 2
    return Student(
        along_probe=float(a[0]),
        along_rest=float(a[1]),
        other=math.sqrt(share * residual / (1 - share)),
    )


def risk(task: Task, student: Student, window: Window) -> float:
    """Probability that the student's sign is not the label of a fresh input of the window.

    >>> probe = Student(along_probe=1.0, along_rest=0.0, other=0.0)
    >>> half = Task(overlap=math.sqrt(0.5))  # at 45 degrees
    >>> round(risk(half, probe, Window(0.0, 1.0)), 6)
    0.25
    """
    s, mass = nodes((window,), (1.0,))
    spread = math.hypot(student.along_rest, student.other)
    rho = student.along_rest / spread if spread else 0.0
    mine = student.along_probe * s / max(spread, SHARPEST)
    wrong = float(mass @ _disagreement(task.teacher(s), mine, rho))
    return task.flip + (1 - 2 * task.flip) * wrong


def _disagreement(h: Array, k: Array, rho: float) -> Array:
    """P(h + x and k + y differ in sign), x and y normal with correlation rho (Owen 1956)."""
    root = max(math.sqrt(1 - rho * rho), SHARPEST)
    h, k = (np.where(np.abs(x) < 1e-300, 1e-300, x) for x in (h, k))
    owen = owens_t(h, (k - rho * h) / (h * root)) + owens_t(k, (h - rho * k) / (k * root))
    return 2 * owen + (h * k < 0)


def _density(x: Array) -> Array:
    return np.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)
