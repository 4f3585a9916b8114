"""What the studies were to show, and whether they do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from benchmarks.empirics.choices import MIXED
from benchmarks.empirics.comparison import Comparison, Report
from benchmarks.empirics.excess import Excess
from benchmarks.empirics.noise import Measure

LEAST_RANK = 0.8
MOST_EXCESS = 0.05

BASELINES = (
    "easiest",
    "middle",
    "lower middle",
    "upper middle",
    "hardest",
    "random",
    "best pilot",
    "mixture: practitioner",
)
"""The plan's excess is to be below that of each of these."""


@dataclass(frozen=True, kw_only=True)
class Goal:
    """One of them.

    Attributes:
        name: What is judged, and of which study.
        goal: What it should be.
        found: What it is.
        met: Whether the value itself is so, whatever its interval.
    """

    name: str
    goal: str
    found: str
    met: bool


def goals_of(report: Report) -> Iterator[Goal]:
    """The goals of each study and of all certificates."""
    for each in report.comparisons:
        yield from _of_study(each)
    found = report.violations
    yield Goal(
        name="all certificates: share below the measured risk",
        goal=f"at most {found.delta:g}",
        found=f"{found.below:.4f}",
        met=found.below <= found.delta,
    )


def _of_study(each: Comparison) -> Iterator[Goal]:
    name, ranks = each.study.name, each.ranks
    for what, found in (("certificate + gap", ranks.bound), ("plan", ranks.plan)):
        yield Goal(
            name=f"{name}: rank correlation of {what} and true risk",
            goal=f"at least {LEAST_RANK:g}",
            found=str(found),
            met=found.value >= LEAST_RANK,
        )
    for way in ("plan", MIXED):
        if way not in each.by_way:
            continue
        cost = each.by_way[way].mean_relative
        yield Goal(
            name=f"{name}: mean relative excess of: {way}",
            goal=f"at most {MOST_EXCESS:.0%}",
            found=str(cost),
            met=cost.value <= MOST_EXCESS,
        )
        least = best_baseline(each, way)
        less = over(least, way)
        yield Goal(
            name=f"{name}: mean relative excess of the best baseline, less that of: {way}",
            goal="above 0",
            found=f"{least.way} {less}",
            met=less.value > 0,
        )


def best_baseline(each: Comparison, way: str = "plan") -> Excess:
    """The baseline of least excess, each over a plan at the budgets that it has runs at."""
    known = [e for e in each.excesses if e.way in BASELINES and not np.isnan(over(e, way).value)]
    return min(known, key=lambda excess: over(excess, way).value)


def over(excess: Excess, way: str) -> Measure:
    """Excess over that of a plan."""
    return excess.over_mixed if way == MIXED else excess.over_plan
