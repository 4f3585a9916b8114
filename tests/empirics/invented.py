"""Invented studies with a known truth, in the format of `benchmarks/results/study`.

In `shifting` worlds easy data teach fast and little, hard data slowly and much, and few hard data
do harm, so that all that the paper observes is true. In the `still` twin all data teach equally
fast and the hardest teach most, so that none of it is.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.empirics.mixes import known_mixtures
from pacbayes.bounds import seeger_maurer, seeger_maurer_lower
from pacbayes.runs import Measured, Run

STRATA = ("2..3", "4..5", "6..7", "8..9")
DIFFICULTY = np.array([2.5, 4.5, 6.5, 8.5])
BUDGETS = (125, 375, 1125, 3375, 10125)
BASE = np.array([0.6, 0.62, 0.66, 0.7])
UNIFORM = dict.fromkeys(STRATA, 0.25)


@dataclass(frozen=True, kw_only=True)
class Truth:
    """Learning curves of training strata (rows of `floor`) on test strata (columns)."""

    base: np.ndarray
    floor: np.ndarray
    half: np.ndarray
    harm: float
    kl_slope: float

    def risk(self, weights, budget):
        """Risk on each stratum after training on a mixture: floors and rates are averaged."""
        w = np.asarray(weights)
        left = 1 / (1 + (budget * (w @ (1 / self.half))) ** 1.3)
        floor = w @ self.floor
        harm = self.harm * w[-1] * np.exp(-budget / 200)
        return np.minimum(floor + (self.base - floor) * left + harm, 0.99)


def shifting(*, stronger=False):
    floor = [[0.03, 0.25, 0.5, 0.8], [0.05, 0.03, 0.25, 0.5], [0.07, 0.05, 0.03, 0.25]]
    return Truth(
        base=BASE * (0.95 if stronger else 1.0),
        floor=np.array([*floor, [0.09, 0.07, 0.05, 0.03]]),
        half=np.array([60.0, 250.0, 900.0, 3000.0]) * (0.4 if stronger else 1.0),
        harm=0.3,
        kl_slope=0.3,
    )


def still(*, stronger=False):
    floor = np.array([[0.5], [0.4], [0.3], [0.1]]) + np.zeros(4)
    half = np.full(4, 30.0)
    return Truth(base=BASE, floor=floor, half=half, harm=0.0, kl_slope=-0.3)


def make_run(truth, weights, budget, seed, *, base, rng, scatter=0.02, n_test=400, broken=False):
    """A run whose exact risks scatter around the truth; `broken` halves its certificate."""
    exact = np.minimum(truth.risk(weights, budget) * np.exp(scatter * rng.normal()), 0.99)
    weights = np.asarray(weights)
    difficulty = float(weights @ DIFFICULTY)
    kl = 10 * np.exp(truth.kl_slope * difficulty + 0.03 * rng.normal()) * (budget / 125) ** 0.4
    own = float(weights @ exact)
    empirical = round(0.9 * own, 4)
    low, high = max(0.0, empirical - 0.02), min(1.0, empirical + 0.02)
    numbers = {"kl": float(kl), "n": budget, "delta": 0.04}
    upper = float(seeger_maurer(empirical_risk=high, **numbers))
    lower = float(seeger_maurer_lower(empirical_risk=low, **numbers))
    tests = {
        name: Measured(mean=int(rng.binomial(n_test, risk)) / n_test, n=n_test)
        for name, risk in zip(STRATA, exact, strict=True)
    }
    n_target = 3 * n_test
    return Run(
        base=base,
        base_strength=round(1 - float(truth.base.mean()), 4),
        difficulty=difficulty + 0.01 * float(rng.normal()),
        train_weights={s: float(w) for s, w in zip(STRATA, weights, strict=True) if w},
        budget=budget,
        seed=seed,
        loss="exact",
        delta=0.05,
        kl=float(kl),
        empirical_risk=empirical,
        empirical_risk_bound=(low, high),
        risk_bound=(0.0, own / 2) if broken else (lower, upper),
        tests=tests,
        target=Measured(mean=int(rng.binomial(n_target, exact.mean())) / n_target, n=n_target),
        base_target=Measured(mean=round(float(truth.base.mean()), 4), n=n_target),
    )


def make_runs(truth, *, base, seeds=3, random_seed=0, mixtures=True, **options):
    rng = np.random.default_rng(random_seed)
    runs = []
    for budget in BUDGETS:
        arms = [*np.eye(4)]
        if mixtures:
            arms += [np.array(w) for w in known_mixtures(4, budget).values()]
        for weights in arms:
            runs += [
                make_run(truth, weights, budget, seed, base=base, rng=rng, **options)
                for seed in range(seeds)
            ]
    return runs


def write_study(
    folder, world=shifting, *, name="invented.cpu", bases=("weak", "strong"), **options
):
    """Write a study of two bases; what `benchmarks.study` leaves behind."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    described = {}
    for place, base in enumerate(bases):
        truth = world(stronger=base == "strong")
        runs = make_runs(truth, base=base, random_seed=place, **options)
        lines = "".join(json.dumps(run.to_dict()) + "\n" for run in runs)
        (folder / f"{name}.{base}.jsonl").write_text(lines)
        tests = {
            s: {"mean": round(r, 4), "n": 400} for s, r in zip(STRATA, truth.base, strict=True)
        }
        described[base] = {"steps": 1, "tests": tests | {"cpu_seconds": 1}}
    note = {
        "command": "python -m benchmarks.study",
        "strata": [{"name": s, "low": int(s[0]), "high": int(s[-1])} for s in STRATA],
        "budgets": BUDGETS,
        "target": {"weights": UNIFORM, "n": 1200},
        "bases": described,
    }
    (folder / f"{name}.json").write_text(json.dumps(note))
    return folder
