"""Planners under one interface: pilots in, a difficulty for each budget out.

A planner is called as ``planner(pilots, budgets, grid, seed)``, with `Pilots` of
`benchmarks.world`, increasing budgets (B,), and the difficulties it may choose from (G,).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from benchmarks.world import Pilots
from pacbayes.learning_curves import fit_learning_curves
from pacbayes.planning.misspecification import misspecification
from pacbayes.planning.optimum import optimal_difficulties

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a planner says.

    Attributes:
        difficulty: The difficulty to train on at each budget, (B,); None from a planner that only
            plans mixtures.
        may_be_best: Whether a difficulty of the grid is in the 90 % set, (B, G), if it gives one.
        warning: Whether the runs contradict its model, if it tests that.
        train_weights: Weights of the strata to train on, (B, S), if it plans mixtures.
    """

    difficulty: Array | None = None
    may_be_best: NDArray[np.bool_] | None = None
    warning: bool | None = None
    train_weights: Array | None = None


Planner = Callable[[Pilots, Array, Array, int], Plan]


def easiest(pilots: Pilots, budgets: Array, grid: Array, seed: int) -> Plan:
    """Always the easiest."""
    return Plan(difficulty=np.full(len(budgets), grid[0]))


def middle(pilots: Pilots, budgets: Array, grid: Array, seed: int) -> Plan:
    """Always the middle."""
    return Plan(difficulty=np.full(len(budgets), grid[len(grid) // 2]))


def hardest(pilots: Pilots, budgets: Array, grid: Array, seed: int) -> Plan:
    """Always the hardest."""
    return Plan(difficulty=np.full(len(budgets), grid[-1]))


def best_pilot(pilots: Pilots, budgets: Array, grid: Array, seed: int) -> Plan:
    """The difficulty with the least mean target risk at the largest pilot budget."""
    d, risk = _at_largest(pilots, pilots.target_risk)
    return Plan(difficulty=np.full(len(budgets), d[np.argmin(risk)]))


def total_variation(pilots: Pilots, budgets: Array, grid: Array, seed: int) -> Plan:
    """The least of empirical risk + √(KL / 2n) + total variation from the target.

    The KL of each difficulty grows by a power of n fitted to its pilots; the empirical risk is that
    at the largest pilot budget.
    """
    d, empirical = _at_largest(pilots, pilots.empirical_risk)
    variation = 1 - pilots.target_weights[np.abs(pilots.strata - d[:, None]).argmin(axis=1)]
    complexity = np.stack([_kl(pilots, each, budgets) for each in d], axis=1) / budgets[:, None]
    bound = empirical + np.sqrt(complexity / 2) + variation
    return Plan(difficulty=d[bound.argmin(axis=1)])


def target_mixture(pilots: Pilots, budgets: Array, grid: Array, seed: int) -> Plan:
    """Train on the target's own mixture, which has no extrapolation gap."""
    return Plan(train_weights=np.tile(pilots.target_weights, (len(budgets), 1)))


def learning_curves(pilots: Pilots, budgets: Array, grid: Array, seed: int) -> Plan:
    """This package's planner: fitted curves, least expected regret, its set and its warning."""
    n_target = 1 / np.sum(pilots.target_weights**2 / pilots.n_test)
    fitted = fit_learning_curves(
        difficulty=pilots.difficulty,
        budget=pilots.budget,
        risk=pilots.target_risk,
        n_test=round(n_target),
        base_risk=pilots.base_target_risk,
        n_base=round(n_target),
        n_fits=300,
        seed=seed,
    )
    best = optimal_difficulties(fitted.fits.at(grid), budgets.tolist(), level=0.9)
    return Plan(
        difficulty=np.array([each.value for each in best]),
        may_be_best=np.stack([np.isin(grid, each.indistinguishable) for each in best]),
        warning=misspecification(fitted, n_simulations=300, seed=seed).warning is not None,
    )


def _at_largest(pilots: Pilots, values: Array) -> tuple[Array, Array]:
    """The difficulties, and the mean over seeds at the largest budget."""
    largest = pilots.budget == pilots.budget.max()
    d = np.unique(pilots.difficulty[largest])
    means = [values[largest & (pilots.difficulty == each)].mean() for each in d]
    return d, np.array(means)


def _kl(pilots: Pilots, difficulty: float, budgets: Array) -> Array:
    mine = pilots.difficulty == difficulty
    slope, level = np.polyfit(np.log(pilots.budget[mine]), np.log(pilots.kl[mine]), 1)
    return np.exp(level + slope * np.log(budgets))


PLANNERS: Mapping[str, Planner] = MappingProxyType(
    {
        "easiest": easiest,
        "middle": middle,
        "hardest": hardest,
        "best pilot": best_pilot,
        "total variation": total_variation,
        "target mixture": target_mixture,
        "learning curves": learning_curves,
    }
)
"""By name."""
