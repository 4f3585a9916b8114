"""What a perceptron student is to learn, how, and what is known of one that has learned."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

SHARPEST = 1e-9
"""Stands for √(1−γ²) = 0, where only the sign of s matters."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """What is learned, and how.

    Attributes:
        overlap: γ in (0, 1], of the probe, whose margin is the difficulty, and the teacher.
        flip: Probability in [0, 1/2) that a label is wrong, in training and in test.
        ridge: λ > 0.
        start: c, the weight of the probe that the student starts from and is kept near.
        loss: "square" or "logistic"; the latter takes γ = 1 and c = 0.
    """

    overlap: float = 1.0
    flip: float = 0.0
    ridge: float = 0.1
    start: float = 0.0
    loss: str = "square"

    def __post_init__(self) -> None:
        if self.loss == "logistic" and (self.overlap < 1 or self.start != 0):
            raise ValueError("the logistic student needs overlap 1 and start 0.")

    def teacher(self, s: Array) -> Array:
        """The teacher's field given s, over the deviation of the rest of it."""
        return self.overlap * s / max(math.sqrt(1 - self.overlap**2), SHARPEST)


@dataclass(frozen=True, kw_only=True)
class Student:
    """Weights along the probe, along the rest of the teacher, and the norm of the others."""

    along_probe: float
    along_rest: float
    other: float
