"""Perceptron worlds: pilots are students trained for real, the truth is the theory at n / N = α.

Students have N = 200 inputs. Theory is about N → ∞; at N = 200 the mean risk of simulated students
differs from it by less than their scatter from seed to seed (tests/test_worlds.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmarks.perceptron.simulation import simulate
from benchmarks.perceptron.task import Student, Task
from benchmarks.perceptron.theory import risk, train
from benchmarks.perceptron.windows import window
from benchmarks.world import STRATA, TARGETS, Outcomes, World

Array = NDArray[np.float64]

INPUTS = 200

FIELD_NOISE = 0.5
"""Deviation of the noise that a posterior would put on the field of an average input."""

WINDOWS = tuple(map(window, STRATA))


@dataclass(frozen=True)
class _Truth:
    """Risks of the students of a task, by theory and by simulation."""

    task: Task

    def on_strata(self, student: Student) -> Array:
        """Risk on each stratum, (S,)."""
        return np.array([risk(self.task, student, part) for part in WINDOWS])

    def by_difficulty(self, difficulty: ArrayLike, budget: ArrayLike) -> Array:
        """Exact, (..., S)."""
        d, n = np.broadcast_arrays(np.asarray(difficulty, float), np.asarray(budget, float))
        found = [
            self.on_strata(train(self.task, (window(one),), (1.0,), size / INPUTS))
            for one, size in zip(d.ravel().tolist(), n.ravel().tolist(), strict=True)
        ]
        return np.array(found).reshape(*d.shape, len(WINDOWS))

    def by_weights(self, train_weights: ArrayLike, budget: ArrayLike) -> Array:
        """Exact, (..., S)."""
        w = np.asarray(train_weights, float)
        n = np.broadcast_to(np.asarray(budget, float), w.shape[:-1])
        found = [
            self.on_strata(train(self.task, WINDOWS, tuple(row), size / INPUTS))
            for row, size in zip(w.reshape(-1, len(WINDOWS)).tolist(), n.ravel(), strict=True)
        ]
        return np.array(found).reshape(w.shape)

    def simulated(self, difficulty: Array, budget: Array, rng: np.random.Generator) -> Outcomes:
        """Students trained for real."""
        students = [
            simulate(self.task, (window(d),), (1.0,), n=int(n), inputs=INPUTS, rng=rng)
            for d, n in zip(difficulty.tolist(), budget, strict=True)
        ]
        distance = np.array([each.squared_distance for each in students])
        return Outcomes(
            stratum_risk=np.array([self.on_strata(each.student) for each in students]),
            empirical_risk=np.array([each.empirical_risk for each in students]),
            # Gaussians of deviation FIELD_NOISE / √N in each weight
            kl=INPUTS * distance / (2 * FIELD_NOISE**2),
        )


def perceptron_world(
    name: str,
    task: Task,
    *,
    target: str = "uniform",
    kind: str = "regular",
    alphas: tuple[float, ...] = (0.5, 1.5, 4.5),
    points: int = 101,
) -> World:
    """A world of students of a task.

    Args:
        name: For tables.
        task: What is learned, and how.
        target: Name of the target mixture.
        kind: See `World`.
        alphas: Pilot budgets over N.
        points: Of the grid of difficulties.
    """
    truth = _Truth(task)
    base = Student(along_probe=task.start, along_rest=0.0, other=0.0)
    return World(
        name=name,
        kind=kind,
        # a start at 0 has no sign: it guesses
        base_risk=truth.on_strata(base) if task.start else np.full(len(WINDOWS), 0.5),
        target_weights=np.array(TARGETS[target]),
        stratum_risk=truth.by_difficulty,
        mixture_stratum_risk=truth.by_weights,
        train=truth.simulated,
        pilot_budgets=tuple(round(alpha * INPUTS) for alpha in alphas),
        strata=STRATA,
        grid=np.linspace(0.1, 0.9, points),
    )


def _maker(name: str, task: Task, **rest: object) -> tuple[str, Callable[[], World]]:
    return name, lambda: perceptron_world(name, task, **rest)


NOISY = Task(ridge=1.0, flip=0.05)

PERCEPTRONS: Mapping[str, Callable[[], World]] = MappingProxyType(
    {
        each.args[0]: each
        for each in (
            partial(perceptron_world, "ridge", Task(ridge=0.5)),
            partial(perceptron_world, "noisy ridge", NOISY),
            partial(perceptron_world, "noisy ridge, hard target", NOISY, target="hard"),
            partial(perceptron_world, "noisy ridge, easy target", NOISY, target="easy"),
            partial(perceptron_world, "weak probe", Task(overlap=0.8, ridge=0.5, flip=0.02)),
            partial(
                perceptron_world,
                "weak base",
                Task(overlap=0.8, ridge=1.0, start=0.8, flip=0.02),
            ),
            partial(
                perceptron_world,
                "logistic",
                Task(ridge=0.5, flip=0.05, loss="logistic"),
                points=41,
            ),
            # the risk of easy data rises before it falls: what the base knew is forgotten first
            partial(
                perceptron_world,
                "strong base",
                Task(overlap=0.95, ridge=1.0, start=0.8, flip=0.02),
                kind="misspecified",
            ),
            # least squares with hardly any ridge: the risk peaks at n = N
            partial(
                perceptron_world,
                "double descent",
                Task(ridge=0.01, flip=0.1),
                alphas=(0.5, 1.0, 2.0),
                kind="misspecified",
            ),
        )
    }
)
"""Makers of worlds by name. A base is the probe itself, fine-tuned; the others start from 0."""
