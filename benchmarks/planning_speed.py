"""What a plan's forecasts cost: many budgets, difficulties and bootstrap fits.

Run ``python benchmarks/planning_speed.py``; prints one line of JSON. Wall-clock seconds with the
threads that numpy takes by itself, and the ratio of 200 budgets to 100, medians of rounds that take
turns, of everything after the fits: 2.0 is linear.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time

import numpy as np

from pacbayes.learning_curves import LearningCurves, fit_learning_curves
from pacbayes.planning.misspecification import misspecification
from pacbayes.planning.optimum import best_by_fit, optimal_difficulties

SIZES = (200, 100, 1000, 5)
"""Budgets, difficulties, fits, rounds; four numbers on the command line replace them."""


def pilots(seed: int = 0) -> dict[str, np.ndarray]:
    """Return noisy runs at 8 difficulties, 3 budgets and 3 seeds."""
    rng = np.random.default_rng(seed)
    d, n, _ = map(np.ravel, np.meshgrid(np.linspace(0, 1, 8), [500, 1000, 2000], range(3)))
    floor = 0.1 + 0.3 * (1 - d)
    risk = floor + (0.8 - floor) / (1 + (n / (150 * np.exp(3 * d))) ** 0.9)
    return {"difficulty": d, "budget": n, "risk": rng.binomial(1000, risk) / 1000}


def fit(n_fits: int) -> LearningCurves:
    """Return the bootstrap fits."""
    return fit_learning_curves(
        **pilots(), n_test=1000, base_risk=0.8, n_base=1000, n_fits=n_fits, seed=0
    )


def seconds(fitted: LearningCurves, n_budgets: int, n_difficulties: int) -> float:
    """Return what the optima at so many budgets take, fits' own and joint."""
    began = time.perf_counter()
    curves = fitted.fits.at(np.linspace(0, 1, n_difficulties))
    budgets = np.geomspace(500, 32000, n_budgets)
    optimal_difficulties(curves, budgets)
    best_by_fit(curves, budgets)
    return time.perf_counter() - began


def main(budgets: int, difficulties: int, fits: int, rounds: int) -> None:
    """Print the measurements."""
    began = time.perf_counter()
    fitted = fit(fits)
    fitting = time.perf_counter() - began
    began = time.perf_counter()
    misspecification(fitted, n_simulations=fits)
    testing = time.perf_counter() - began
    pairs = [
        [seconds(fitted, n, difficulties) for n in (budgets // 2, budgets)] for _ in range(rounds)
    ]
    found = {
        "budgets": budgets,
        "difficulties": difficulties,
        "fits": fits,
        "converged": fitted.converged,
        "seconds_fit": fitting,
        "seconds_misspecification": testing,
        "seconds_optima": statistics.median(full for _, full in pairs),
        "ratio_budgets_doubled": statistics.median(full / half for half, full in pairs),
        "cores": os.cpu_count(),
    }
    found["seconds"] = fitting + testing + found["seconds_optima"]
    print(json.dumps(found))


if __name__ == "__main__":
    main(*(map(int, sys.argv[1:]) if sys.argv[1:] else SIZES))
