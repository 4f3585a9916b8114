"""What a world with a known answer is: the truth as functions, and pilots that show part of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

STRATA = np.array([0.1, 0.3, 0.5, 0.7, 0.9])
GRID = np.linspace(0.1, 0.9, 101)
MULTIPLES = (1, 2, 4, 8, 16)
"""Of the largest pilot's budget: where a plan is judged."""

TARGETS: Mapping[str, tuple[float, ...]] = MappingProxyType(
    {
        "uniform": (0.2, 0.2, 0.2, 0.2, 0.2),
        "hard": (0.05, 0.1, 0.15, 0.3, 0.4),
        "easy": (0.4, 0.3, 0.15, 0.1, 0.05),
        "middle": (0.1, 0.2, 0.4, 0.2, 0.1),
    }
)
"""Weights of the strata in the target."""


@dataclass(frozen=True, kw_only=True)
class Pilots:
    """What a planner is given: R runs, each measured on S strata.

    Attributes:
        difficulty: Mean difficulty of the training data, (R,).
        budget: Number of training examples, (R,), whole numbers as floats.
        seed: Number of the repetition, (R,).
        stratum_risk: Mean 0-1 loss on fresh test examples of each stratum, (R, S).
        n_test: Number of those test examples, (S,).
        target_weights: Weights of the strata in the target, (S,).
        target_risk: Their mean of the stratum risks, (R,).
        empirical_risk: Mean 0-1 loss on the training data, (R,).
        kl: Stand-in for the KL of posterior and prior, (R,).
        strata: Mean difficulty of each stratum, (S,).
        base_stratum_risk: The base model's mean loss on n_test examples of each stratum, (S,).
        base_target_risk: Their mean under the target weights, r₀.
    """

    difficulty: Array
    budget: Array
    seed: NDArray[np.int64]
    stratum_risk: Array
    n_test: NDArray[np.int64]
    target_weights: Array
    target_risk: Array
    empirical_risk: Array
    kl: Array
    strata: Array
    base_stratum_risk: Array
    base_target_risk: float


@dataclass(frozen=True, kw_only=True)
class Outcomes:
    """What R students are, before they are measured: exact risks of these very students.

    Attributes:
        stratum_risk: Risk on each stratum, (R, S).
        empirical_risk: Mean loss on the training data, (R,).
        kl: Stand-in for the KL, (R,).
    """

    stratum_risk: Array
    empirical_risk: Array
    kl: Array


@dataclass(frozen=True, kw_only=True)
class World:
    """A world: the truth as functions, and pilots that tell a part of it.

    Attributes:
        name: Family and number.
        kind: "well specified" if the planner's learning curves hold exactly; "regular" if all
            curves fall with the budget, but have another form; "misspecified" if they depart from
            it so much that a warning is owed.
        base_risk: Risk of the base model on each stratum, (S,).
        target_weights: Weights of the strata in the target, (S,).
        stratum_risk: Exact risk on each stratum, averaged over training sets, by difficulty and
            budget, which broadcast to a shape that is followed by S.
        mixture_stratum_risk: The same by train weights over the strata, (..., S), and budget.
        train: Students trained on difficulties (R,), with budgets (R,) and a generator.
        pilot_budgets: The budgets of pilots, ascending.
        n_seeds: The number of repetitions at each difficulty and budget.
        n_test: The number of test examples of each stratum.
        strata: Mean difficulty of each stratum, (S,).
        kl_exponent: a where the KL grows like n^a exactly, else None.
    """

    name: str
    kind: str
    base_risk: Array
    target_weights: Array
    stratum_risk: Callable[[ArrayLike, ArrayLike], Array]
    mixture_stratum_risk: Callable[[ArrayLike, ArrayLike], Array]
    train: Callable[[Array, Array, np.random.Generator], Outcomes]
    pilot_budgets: tuple[int, ...]
    n_seeds: int = 3
    n_test: int = 1000
    strata: Array
    grid: Array
    kl_exponent: float | None = None

    @property
    def well_specified(self) -> bool:
        """Whether the planner's learning curves hold exactly."""
        return self.kind == "well specified"

    def target_risk(self, difficulty: ArrayLike, budget: ArrayLike) -> Array:
        """Exact target risk of training on a difficulty; arguments broadcast."""
        return self.stratum_risk(difficulty, budget) @ self.target_weights

    def mixture_risk(self, train_weights: ArrayLike, budget: ArrayLike) -> Array:
        """Exact target risk of training on a mixture of strata, (..., S) and (...)."""
        return self.mixture_stratum_risk(train_weights, budget) @ self.target_weights

    def optimal_difficulty(self, budget: float) -> float:
        """The point of the grid with the least target risk."""
        return float(self.grid[np.argmin(self.target_risk(self.grid, budget))])

    def budgets(self) -> Array:
        """Where a plan is judged: up to 16 times the largest pilot's budget."""
        return self.pilot_budgets[-1] * np.array(MULTIPLES, dtype=float)

    def pilots(
        self,
        rng: np.random.Generator,
        *,
        difficulties: ArrayLike | None = None,
        budgets: ArrayLike | None = None,
        n_seeds: int | None = None,
        n_test: int | None = None,
    ) -> Pilots:
        """Train and measure students, on each stratum by default; all choices can be replaced."""
        d, n, seed = (
            a.ravel()
            for a in np.meshgrid(
                self.strata if difficulties is None else np.asarray(difficulties, dtype=float),
                self.pilot_budgets if budgets is None else np.asarray(budgets),
                np.arange(self.n_seeds if n_seeds is None else n_seeds),
                indexing="ij",
            )
        )
        n = n.astype(float)
        students = self.train(d, n, rng)
        size = self.n_test if n_test is None else n_test
        measured = rng.binomial(size, students.stratum_risk) / size
        base = rng.binomial(size, self.base_risk) / size
        return Pilots(
            difficulty=d,
            budget=n,
            seed=seed,
            stratum_risk=measured,
            n_test=np.full(len(self.strata), size),
            target_weights=self.target_weights,
            target_risk=measured @ self.target_weights,
            empirical_risk=students.empirical_risk,
            kl=students.kl,
            strata=self.strata,
            base_stratum_risk=base,
            base_target_risk=float(base @ self.target_weights),
        )
