"""How much target risk each way of choosing costs over the empirically best difficulty.

The best of several noisy means is better by chance than it is in truth, so that the difficulty to
compare with is chosen by other runs than it is judged by: for each seed by the other seeds, on the
test files of the strata; it is judged by this seed, on the target's own file. Choices made from
pilots are judged at the pilots' budgets in the same way, by a seed that was not among the pilots.
A reference chosen by fewer seeds is at times not the best: `over_least` compares with the plain
least of the means instead, and lies too high where the other lies too low.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.empirics.choices import MIXED, Choices
from benchmarks.empirics.grid import Grid
from benchmarks.empirics.noise import (
    LEVEL,
    Measure,
    best_of_others,
    mean_over_seeds,
    measure,
    replicates,
    spread_of_risk,
)
from pacbayes.planning.optimum import optimal_difficulty

Floats = NDArray[np.float64]
Places = NDArray[np.intp]


@dataclass(frozen=True, kw_only=True)
class Best:
    """The empirically best difficulty at each budget.

    Attributes:
        place: Of the least mean risk, shape (budgets,).
        may_be_best: Strata that cannot be told from it over seeds, shape (budgets, D).
        risk: The least mean risk, shape (budgets,).
        held_out: Risk of the difficulty that other seeds choose, shape (budgets,).
    """

    place: Places
    may_be_best: NDArray[np.bool_]
    risk: Floats
    held_out: Floats


@dataclass(frozen=True, kw_only=True)
class Excess:
    """What one way costs.

    Attributes:
        way: Its name.
        place: Its stratum at each budget; None for one that is no single stratum.
        risk: Target risk at each budget, NaN where there are no runs.
        absolute: Risk over that of the best difficulty at each budget.
        relative: The same as a share of the best difficulty's.
        mean_absolute: Mean over budgets.
        mean_relative: Mean over budgets.
        pilots: Mean of the relative at the pilots' budgets.
        beyond: The same at the budgets beyond.
        over_least: Mean of the relative excess over the plain least of the means.
        over_plan: Mean over budgets of the relative excess, less that of the plan.
        over_mixed: The same, less that of the plan that sees pilots on mixtures; NaN without it.
    """

    way: str
    place: Places | None
    risk: Floats
    absolute: Floats
    relative: Floats
    mean_absolute: Measure
    mean_relative: Measure
    pilots: Measure
    beyond: Measure
    over_least: Measure
    over_plan: Measure
    over_mixed: Measure


def best_of(grid: Grid) -> Best:
    """Find the best difficulty at each budget, and what it cannot be told from.

    A stratum is left out if it is worse than the best one in so many replicates that the truly best
    one is left out with probability 1 − `LEVEL` at most, whichever of the others seems better.
    """
    level = 1 - (1 - LEVEL) / max(grid.n_strata - 1, 1)
    runs = grid.target[grid.pure]
    means = mean_over_seeds(runs)
    copies = mean_over_seeds(replicates(runs, spread_of_risk(runs, grid.n_target)))
    found = [
        optimal_difficulty(copies[:, :, i], grid.difficulties, level=level).indistinguishable
        for i in range(len(grid.budgets))
    ]
    place = means.argmin(axis=0)
    inside = np.stack([np.isin(grid.difficulties, each) for each in found])
    inside[np.arange(len(place)), place] = True
    return Best(
        place=place,
        may_be_best=inside,
        risk=means.min(axis=0),
        held_out=_risk_of(_reference(grid), grid.target),
    )


def excesses(
    grid: Grid, chosen: Choices, without: Mapping[int, Choices], pilots: Sequence[int]
) -> tuple[Excess, ...]:
    """What each way costs, the mixtures among them.

    Args:
        grid: The study.
        chosen: From all seeds' pilots.
        without: From the pilots of all seeds but one, by that seed; empty if there is only one.
        pilots: The pilots' budgets.
    """
    ways = _ways(grid, chosen, without, pilots)
    reference, least = _reference(grid), _least(grid)
    copies = replicates(grid.target, spread_of_risk(grid.target, grid.n_target))
    every = np.stack([grid.target, *copies])
    best, lowest = _risk_of(reference, every), _risk_of(least, every)
    risks = {way: _risk_of(weights, every) for way, weights in ways.items()}
    early = np.isin(grid.budgets, pilots)
    of_plan = risks["plan"] / best - 1
    of_mixed = risks[MIXED] / best - 1 if MIXED in risks else np.full_like(of_plan, np.nan)
    found = []
    for way, risk in risks.items():
        relative = risk / best - 1
        place = chosen.places.get(way)
        found.append(
            Excess(
                way=way,
                place=place,
                risk=risk[0],
                absolute=risk[0] - best[0],
                relative=relative[0],
                mean_absolute=_mean(risk - best),
                mean_relative=_mean(relative),
                pilots=_mean(relative[:, early]),
                beyond=_mean(relative[:, ~early]),
                over_least=_mean(risk / lowest - 1),
                over_plan=_mean(relative - of_plan),
                over_mixed=_mean(relative - of_mixed),
            )
        )
    return tuple(found)


def _mean(values: Floats) -> Measure:
    """Mean over the budgets that have it; the first row is the value, the rest replicates."""
    known = ~np.isnan(values[0])
    if not known.any():
        return Measure(value=np.nan, low=np.nan, high=np.nan)
    means = values[:, known].mean(axis=1)
    return measure(means[0], means[1:])


def _ways(
    grid: Grid, chosen: Choices, without: Mapping[int, Choices], pilots: Sequence[int]
) -> dict[str, Floats]:
    """Weights over arms, shape (arms, budgets, seeds), by way."""
    arms, budgets, seeds = grid.target.shape
    found = {}
    for way, place in chosen.places.items():
        places = np.tile(place[:, None], (1, seeds))
        for column, seed in enumerate(grid.seeds):
            for row, budget in enumerate(grid.budgets):
                if seed in without and budget in pilots:
                    places[row, column] = without[seed].places[way][row]
        found[way] = _one_hot(places, arms)
    random = np.zeros((arms, budgets, seeds))
    random[grid.pure] = 1 / grid.n_strata
    found["random"] = random
    for i, name in enumerate(grid.mixtures):
        fixed = np.full((budgets, seeds), grid.n_strata + i)
        found[f"mixture: {name}"] = _one_hot(fixed, arms)
    return found


def _one_hot(places: Places, arms: int) -> Floats:
    found: Floats = (np.arange(arms)[:, None, None] == places).astype(np.float64)
    return found


def _reference(grid: Grid) -> Floats:
    """For each seed the stratum that is best for the other seeds, on the strata's test files."""
    return _one_hot(best_of_others(grid.tested[grid.pure]), len(grid.target))


def _least(grid: Grid) -> Floats:
    place = mean_over_seeds(grid.target[grid.pure]).argmin(axis=0)
    return _one_hot(np.tile(place[:, None], (1, len(grid.seeds))), len(grid.target))


def _risk_of(weights: Floats, runs: Floats) -> Floats:
    """Mean risk over seeds of a way; NaN at budgets without a run of an arm that has weight.

    Args:
        weights: Shape (arms, budgets, seeds).
        runs: Shape (..., arms, budgets, seeds).

    Returns:
        Shape (..., budgets).
    """
    return mean_over_seeds(np.where(weights > 0, weights * runs, 0.0).sum(axis=-3))
