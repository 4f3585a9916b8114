"""How the best difficulty moves with n / N, and what a plan by total variation makes of it.

Run ``python -m benchmarks.perceptron [--students K]`` in the root of the repository; prints a JSON
list, one row a line, in half a minute on one core. A row is a task at one n / N = α, the target
being all inputs; risks are exact (N → ∞) for the easiest window of training data, the best and the
hardest:

- ``target_risk``, and ``extrapolation_gap``, that risk minus the one on the training window;
- ``total_variation``: the difficulty with the least risk on its own window plus total variation
  from the target, which is .8 for every window: even with that risk known exactly the choice is
  too easy, and ``excess`` is the target risk there over the least one;
- ``simulated``: mean target risk of K students of 400 inputs trained on the best window, its
  standard error, and how many of them it is from theory.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterator

import numpy as np

from benchmarks.perceptron.simulation import simulate
from benchmarks.perceptron.task import Task
from benchmarks.perceptron.theory import risk, train
from benchmarks.perceptron.windows import Window, window

TASKS = {
    "ridge": Task(ridge=0.5),
    "noisy ridge": Task(ridge=1.0, flip=0.05),
    "weak probe": Task(overlap=0.8, ridge=0.5, flip=0.02),
    "logistic": Task(ridge=0.5, flip=0.05, loss="logistic"),
}
ALPHAS = (0.25, 0.5, 1, 2, 4, 8, 16, 32, 64)
DIFFICULTIES = np.linspace(0.1, 0.9, 33)
TARGET = Window(0.0, 1.0)
INPUTS = 400


def risks(task: Task, alpha: float, difficulty: float) -> tuple[float, float]:
    """Exact risk on the target and on the training window."""
    own = window(difficulty)
    student = train(task, (own,), (1.0,), alpha)
    return risk(task, student, TARGET), risk(task, student, own)


def simulated(task: Task, alpha: float, difficulty: float, students: int) -> tuple[float, float]:
    """Mean target risk of simulated students, and its standard error."""
    rng = np.random.default_rng(0)
    found = [
        risk(
            task,
            simulate(
                task,
                (window(difficulty),),
                (1.0,),
                n=round(alpha * INPUTS),
                inputs=INPUTS,
                rng=rng,
            ).student,
            TARGET,
        )
        for _ in range(students)
    ]
    return float(np.mean(found)), float(np.std(found, ddof=1)) / math.sqrt(students)


def rows(students: int) -> Iterator[dict[str, object]]:
    """The table, row by row."""
    for name, task in TASKS.items():
        for alpha in ALPHAS:
            target, own = np.array([risks(task, alpha, d) for d in DIFFICULTIES.tolist()]).T
            best, tv = int(target.argmin()), int(own.argmin())
            places = {"easiest": 0, "best": best, "hardest": -1}
            row = {
                "task": name,
                "alpha": alpha,
                "optimal_difficulty": round(float(DIFFICULTIES[best]), 3),
                "target_risk": {k: round(target[i], 4) for k, i in places.items()},
                "extrapolation_gap": {k: round((target - own)[i], 4) for k, i in places.items()},
                "total_variation": round(float(DIFFICULTIES[tv]), 3),
                "excess": round(target[tv] / target[best], 3),
            }
            if students and alpha <= 16:
                mean, error = simulated(task, alpha, float(DIFFICULTIES[best]), students)
                off = (mean - target[best]) / error
                row["simulated"] = [round(mean, 4), round(error, 4), round(off, 1)]
            yield row


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description="The best difficulty of perceptron data.")
    parser.add_argument(
        "--students", type=int, default=10, help="simulated students a row; 0: none"
    )
    students = parser.parse_args().students
    print("[\n" + ",\n".join(map(json.dumps, rows(students))) + "\n]")


if __name__ == "__main__":
    main()
