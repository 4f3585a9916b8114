"""Invented pilot runs with a known truth: learning curves for each training and test stratum."""

import numpy as np

from pacbayes.bounds import seeger_maurer, seeger_maurer_lower
from pacbayes.runs import Measured, Run

DIFFICULTY = {"easy": 3.5, "medium": 6.0, "hard": 9.0}
TARGET = {"easy": 0.2, "medium": 0.3, "hard": 0.5}
BASE_RISK = 0.92

# risk left on a test stratum (column) with unlimited data of a training stratum (row)
_LEFT = {
    "easy": {"easy": 0.01, "medium": 0.45, "hard": 0.85},
    "medium": {"easy": 0.03, "medium": 0.02, "hard": 0.4},
    "hard": {"easy": 0.06, "medium": 0.04, "hard": 0.02},
}
_HALF = {"easy": 300.0, "medium": 1500.0, "hard": 6000.0}
"""Budget at which half is learnt."""


def true_risk(trained, tested, budget, half=1.0):
    left = _LEFT[trained][tested]
    return left + (BASE_RISK - left) / (1 + (budget / (half * _HALF[trained])) ** 1.3)


def true_target_risk(trained, budget, half=1.0):
    return sum(w * true_risk(trained, s, budget, half) for s, w in TARGET.items())


def make_run(level, budget, seed, *, rng, growth=0.4, n_test=1000, half=1.0, **changes):
    tests = {
        name: Measured(
            mean=int(rng.binomial(n_test, true_risk(level, name, budget, half))) / n_test, n=n_test
        )
        for name in DIFFICULTY
    }
    kl = 20.0 * DIFFICULTY[level] * (budget / 1000) ** growth * float(np.exp(0.05 * rng.normal()))
    empirical = round(0.8 * tests[level].mean, 4)
    low, high = max(0.0, empirical - 0.02), min(1.0, empirical + 0.02)
    numbers = {"kl": kl, "n": budget, "delta": 0.04}
    fields = {
        "base": "small",
        "base_strength": round(1 - BASE_RISK, 2),
        "difficulty": DIFFICULTY[level] + 0.01 * float(rng.normal()),
        "train_weights": {level: 1.0},
        "budget": budget,
        "seed": seed,
        "loss": "exact",
        "delta": 0.05,
        "kl": kl,
        "empirical_risk": empirical,
        "empirical_risk_bound": (low, high),
        "risk_bound": (
            float(seeger_maurer_lower(empirical_risk=low, **numbers)),
            float(seeger_maurer(empirical_risk=high, **numbers)),
        ),
        "tests": tests,
        "target": None,
        "base_target": Measured(mean=BASE_RISK, n=n_test),
    }
    return Run(**(fields | changes))


def make_runs(budgets=(1000, 2000, 4000), seeds=2, random_seed=0, **options):
    rng = np.random.default_rng(random_seed)
    return tuple(
        make_run(level, budget, seed, rng=rng, **options)
        for level in DIFFICULTY
        for budget in budgets
        for seed in range(seeds)
    )
