"""The paper's five observations, each as a value with an interval over seeds and a verdict.

Every observation is a set of parts: differences whose sign is such that above 0 is as the paper
says. All parts of a conjunction must be shown at the level for it to be reproduced, and one must be
refuted, at the level over all parts together, for it not to be; a disjunction is the other way
round. Else it cannot be told. The third and the fourth have two sides, told apart here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.empirics.grid import Grid
from benchmarks.empirics.movement import Movement, best_copies
from benchmarks.empirics.noise import (
    LEVEL,
    Measure,
    best_of_others,
    mean_over_seeds,
    measure,
    replicates,
    spread_of_risk,
)
from benchmarks.empirics.studies import Study

Floats = NDArray[np.float64]

REPRODUCED, NOT, OPEN = "reproduced", "not reproduced", "cannot be told"


@dataclass(frozen=True, kw_only=True)
class Part:
    """A difference that the paper says is above 0.

    Attributes:
        name: What is compared.
        found: The difference.
    """

    name: str
    found: Measure


@dataclass(frozen=True, kw_only=True)
class Observation:
    """One observation.

    Attributes:
        key: Its number in the paper's list, with a letter for a side.
        statement: What the paper says.
        unit: Of the value.
        value: The part that decides: the least of a conjunction, the largest of a disjunction.
        verdict: `reproduced`, `not reproduced` or `cannot be told`.
        parts: All parts.
    """

    key: str
    statement: str
    unit: str
    value: Measure
    verdict: str
    parts: tuple[Part, ...]


Copies = tuple[str, Floats]
"""A part's name, and its value followed by its replicates."""


def inverted_u(grid: Grid) -> Observation:
    """(1) An interior difficulty is better than both ends, at a budget or more.

    The interior difficulty is chosen by other seeds than it is judged by.
    """
    last = grid.n_strata - 1
    parts: list[Copies] = []
    if last > 1:
        runs = _with_copies(grid)
        place = 1 + best_of_others(grid.tested[1:last])
        inner = _judged(runs, place)
        means = mean_over_seeds(runs)
        gain = np.minimum(means[:, 0], means[:, last]) - inner
        parts = [(f"n = {n}", gain[:, i]) for i, n in enumerate(grid.budgets)]
    return _disjunction("1", "an interior difficulty is best at a fixed budget", "risk", parts)


def optimum_moves_harder(movement: Movement) -> Observation:
    """(2) The best difficulty rises with the budget."""
    found = movement.empirical
    verdict = REPRODUCED if found.low > 0 else NOT if found.high <= 0 else OPEN
    return Observation(
        key="2",
        statement="the best difficulty gets harder as the budget grows",
        unit="Spearman",
        value=found,
        verdict=verdict,
        parts=(Part(name="best difficulty and budget", found=found),),
    )


def dropping(grid: Grid, which: str) -> Observation:
    """(3) Dropping one end of the difficulties helps at one end of the budgets, and hurts at other.

    Args:
        grid: The study.
        which: `hardest`, which helps at small budgets, or `easiest`, which helps at large ones.
    """
    parts: list[Copies] = []
    name = f"without_{which}"
    if {"all", name} <= set(grid.mixtures):
        means = mean_over_seeds(_with_copies(grid))
        arms = [grid.n_strata + grid.mixtures.index(arm) for arm in ("all", name)]
        helps = means[:, arms[0]] - means[:, arms[1]]
        both = [i for i in range(len(grid.budgets)) if not np.isnan(helps[0, i])]
        if len(both) > 1:
            sign = 1 if which == "hardest" else -1
            small, large = both[0], both[-1]
            parts = [
                (f"small, n = {grid.budgets[small]}", sign * helps[:, small]),
                (f"large, n = {grid.budgets[large]}", -sign * helps[:, large]),
            ]
    first, second = ("small", "large") if which == "hardest" else ("large", "small")
    return _conjunction(
        "3a" if which == "hardest" else "3b",
        f"dropping the {which} data helps at a {first} budget and hurts at a {second} one",
        "risk",
        parts,
    )


def hard_and_small(study: Study, grid: Grid) -> Observation:
    """(4) After training on few hard data every slice is worse than the base model."""
    worse = _worse_than_base(study, grid, arm=grid.n_strata - 1)
    parts = [] if worse is None else [(name, worse[:, 0, k]) for k, name in enumerate(grid.strata)]
    return _conjunction(
        "4a", "few hard training data make every test slice worse than the base", "risk", parts
    )


def easy_at_any_budget(study: Study, grid: Grid) -> Observation:
    """(4) After training on easy data the easiest slice is better and the hardest is worse."""
    worse = _worse_than_base(study, grid, arm=0)
    parts: list[Copies] = []
    if worse is not None:
        for i, n in enumerate(grid.budgets):
            parts.append((f"{grid.strata[0]} better at n = {n}", -worse[:, i, 0]))
            parts.append((f"{grid.strata[-1]} worse at n = {n}", worse[:, i, -1]))
    return _conjunction(
        "4b",
        "easy training data make the easiest slice better and the hardest worse at any budget",
        "risk",
        parts,
    )


def stronger_base_moves_harder(weak: Grid, strong: Grid) -> Observation:
    """(5) The best difficulty of the stronger base is harder, as a mean over budgets."""
    shared = [n for n in weak.budgets if n in strong.budgets]
    parts: list[Copies] = []
    if shared and weak.strata == strong.strata:
        # one scale for both: the difficulties of their training data differ by chance
        scale = (weak.difficulties + strong.difficulties) / 2
        moved = scale[_best(strong, shared)] - scale[_best(weak, shared)]
        parts = [("mean over budgets", moved.mean(axis=1))]
        parts += [(f"n = {n}", moved[:, i]) for i, n in enumerate(shared)]
    # the mean decides; the budgets are shown
    decides = _conjunction(
        "5", "a stronger base moves the best difficulty harder", "difficulty", parts[:1]
    )
    verdict = NOT if decides.value.high <= 0 else decides.verdict
    return Observation(**{**vars(decides), "verdict": verdict, "parts": _parts(parts)})


def _best(grid: Grid, budgets: Sequence[int]) -> NDArray[np.intp]:
    """The best stratum by the means and by their replicates, shape (1 + replicates, budgets)."""
    columns = [grid.budgets.index(n) for n in budgets]
    best = mean_over_seeds(grid.target[grid.pure]).argmin(axis=0)
    return np.stack([best, *best_copies(grid)])[:, columns]


def _with_copies(grid: Grid) -> Floats:
    """Target risks and replicates of them, shape (1 + replicates, arms, budgets, seeds)."""
    copies = replicates(grid.target, spread_of_risk(grid.target, grid.n_target))
    return np.stack([grid.target, *copies])


def _judged(runs: Floats, place: NDArray[np.intp]) -> Floats:
    """Mean risk of the arm that each seed has, shape (1 + replicates, budgets)."""
    rows, columns = np.indices(place.shape)
    return mean_over_seeds(runs[:, place, rows, columns])


def _worse_than_base(study: Study, grid: Grid, *, arm: int) -> Floats | None:
    """Risk of an arm less the base's, shape (1 + replicates, budgets, D); None without a base.

    The base's risk comes with the error of its test, as if that were another file's: on one file
    the two errors partly cancel, so that the intervals are rather too wide.
    """
    if not set(grid.strata) <= set(study.base_tests):
        return None
    slices = np.moveaxis(grid.slices[arm], -1, 1)  # (budgets, D, seeds)
    copies = replicates(slices, spread_of_risk(slices, grid.n_slices))
    means = mean_over_seeds(np.stack([slices, *copies]))
    base = np.array([study.base_tests[name].mean for name in grid.strata])
    n = np.array([study.base_tests[name].n for name in grid.strata])
    error = np.sqrt(base * (1 - base) / n)
    noise = np.random.default_rng(31).standard_normal((len(copies), len(base)))
    bases = np.stack([base, *(base + error * noise)])
    found: Floats = means - bases[:, None, :]
    return found


def _parts(parts: Sequence[Copies]) -> tuple[Part, ...]:
    return tuple(Part(name=name, found=measure(c[0], c[1:])) for name, c in parts)


def _at(parts: Sequence[Copies], level: float) -> list[Measure]:
    return [measure(copies[0], copies[1:], level) for _, copies in parts]


def _together(parts: Sequence[Copies]) -> list[Measure]:
    """Intervals that hold for all parts together (Bonferroni)."""
    return _at(parts, 1 - (1 - LEVEL) / len(parts))


def _conjunction(key: str, statement: str, unit: str, parts: Sequence[Copies]) -> Observation:
    if not parts:
        return _unmeasured(key, statement, unit)
    alone = _at(parts, LEVEL)
    shown = all(each.low > 0 for each in alone)
    refuted = any(each.high < 0 for each in _together(parts))
    return Observation(
        key=key,
        statement=statement,
        unit=unit,
        value=min(alone, key=lambda each: each.value),
        verdict=REPRODUCED if shown else NOT if refuted else OPEN,
        parts=_parts(parts),
    )


def _disjunction(key: str, statement: str, unit: str, parts: Sequence[Copies]) -> Observation:
    if not parts:
        return _unmeasured(key, statement, unit)
    together = _together(parts)
    shown = any(each.low > 0 for each in together)
    refuted = all(each.high < 0 for each in _at(parts, LEVEL))
    return Observation(
        key=key,
        statement=statement,
        unit=unit,
        value=max(together, key=lambda each: each.value),
        verdict=REPRODUCED if shown else NOT if refuted else OPEN,
        parts=_parts(parts),
    )


def _unmeasured(key: str, statement: str, unit: str) -> Observation:
    nothing = Measure(value=np.nan, low=np.nan, high=np.nan)
    return Observation(
        key=key, statement=statement, unit=unit, value=nothing, verdict=OPEN, parts=()
    )
