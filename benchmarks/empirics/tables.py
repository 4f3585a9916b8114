"""A report as tables, in plain text or Markdown."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.empirics.comparison import Comparison, Report
from benchmarks.empirics.excess import Excess
from benchmarks.empirics.goals import goals_of
from benchmarks.empirics.mechanism import verdict_of
from benchmarks.empirics.noise import LEVEL, Measure
from benchmarks.empirics.observations import Observation


@dataclass(frozen=True, kw_only=True)
class Table:
    """Cells as text.

    Attributes:
        title: What it shows.
        head: Names of the columns.
        rows: One list of cells each.
        notes: Sentences below it.
    """

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()

    def text(self) -> str:
        """Columns as wide as they need."""
        rows = (self.head, *self.rows)
        widths = [max(len(row[i]) for row in rows) for i in range(len(self.head))]
        lines = [
            "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip()
            for row in rows
        ]
        return "\n".join([self.title, "", *lines, *(["", *self.notes] if self.notes else [])])

    def markdown(self) -> str:
        """A heading, a table and its notes."""
        lines = [_line(self.head), _line(["---"] * len(self.head)), *map(_line, self.rows)]
        return "\n".join(
            [f"### {self.title}", "", *lines, *(["", *self.notes] if self.notes else [])]
        )


def tables_of(report: Report) -> Iterator[Table]:
    """Choices and excess of each study, then what is said of all."""
    for each in report.comparisons:
        yield _choices(each)
    yield _ranks(report)
    yield _mechanism(report)
    yield _movement(report)
    yield _certificates(report)
    yield _observations(report)
    yield _goals(report)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _choices(each: Comparison) -> Table:
    grid, budgets = each.grid, each.grid.budgets
    best = [
        f"{grid.strata[place]} {_set(grid.strata, inside)} {risk:.3f}"
        for place, inside, risk in zip(
            each.best.place, each.best.may_be_best, each.best.risk, strict=True
        )
    ]
    rows = [("empirically best", *best, "", "", "", "")]
    rows += [_way(excess, (*grid.strata, *grid.mixtures)) for excess in each.excesses]
    warning = each.chosen.plan.misspecification.warning
    notes = [
        f"Pilots: runs on single strata at n = {', '.join(map(str, each.pilots))} (*). Best: least "
        "mean risk over seeds, {set that cannot be told from it} and its risk. Excess: over the "
        "difficulty that the other seeds choose, on another file; at * the choice is made without "
        f"the seed that judges it. Intervals: {LEVEL:.0%} over seeds.",
    ]
    if len(grid.seeds) == 1:
        notes.append("One seed: intervals are those of the test files, nothing is cross-fitted.")
    if grid.left_out:
        notes.append(f"Left out, without a run on every stratum: n = {list(grid.left_out)}.")
    if warning:
        notes.append(f"The plan warns: {warning}")
    return Table(
        title=f"{each.study.name}: choices, and their excess target risk (relative)",
        head=(
            "way",
            *(f"{n}{'*' if n in each.pilots else ''}" for n in budgets),
            "mean excess",
            "mean relative",
            "beyond pilots",
            "over the plan",
        ),
        rows=tuple(rows),
        notes=tuple(notes),
    )


def _set(strata: Sequence[str], inside: Sequence[bool]) -> str:
    names = [name for name, may in zip(strata, inside, strict=True) if may]
    return "{" + ", ".join(names) + "}"


def _way(excess: Excess, arms: Sequence[str]) -> tuple[str, ...]:
    names = [""] * len(excess.risk) if excess.place is None else [arms[i] for i in excess.place]
    cells = [
        "-" if math.isnan(absolute) else f"{name} {absolute:+.3f} ({relative:+.0%})".strip()
        for name, absolute, relative in zip(names, excess.absolute, excess.relative, strict=True)
    ]
    over_plan = "" if excess.way == "plan" else _percent(excess.over_plan)
    return (
        excess.way,
        *cells,
        _signed(excess.mean_absolute),
        _percent(excess.mean_relative),
        _percent(excess.beyond),
        over_plan,
    )


def _signed(found: Measure) -> str:
    if math.isnan(found.value) or math.isnan(found.low):
        return "-" if math.isnan(found.value) else f"{found.value:+.3f} [?]"
    return f"{found.value:+.3f} [{found.low:+.3f}, {found.high:+.3f}]"


def _percent(found: Measure) -> str:
    if math.isnan(found.value):
        return "-"
    return f"{found.value:+.1%} [{found.low:+.1%}, {found.high:+.1%}]"


def _ranks(report: Report) -> Table:
    rows = [
        (
            each.study.name,
            str(each.ranks.cells),
            str(each.ranks.bound),
            f"{each.ranks.vacuous:.0%}",
            str(each.ranks.certificate),
            str(each.ranks.plan),
            str(each.ranks.plan_pilots),
            str(each.ranks.plan_beyond),
        )
        for each in report.comparisons
    ]
    return Table(
        title="Rank correlation with the true target risk over cells of single strata",
        head=(
            "study",
            "cells",
            "certificate + measured gap",
            "cells with it above 1",
            "certificate alone",
            "plan from pilots",
            "its pilot cells",
            "its other cells",
        ),
        rows=tuple(rows),
    )


def _mechanism(report: Report) -> Table:
    rows = []
    for each in report.comparisons:
        found = each.mechanism
        growth, kl = found.growth, found.kl
        ratio = Measure(
            value=math.exp(kl.change.value),
            low=math.exp(kl.change.low),
            high=math.exp(kl.change.high),
        )
        exponent = "-" if growth.exponent is None else f"{growth.exponent:.2f}"
        if growth.interval is not None:
            exponent += f" [{growth.interval[0]:.2f}, {growth.interval[1]:.2f}]"
        rows.append(
            (
                each.study.name,
                f"{exponent} {growth.verdict}",
                str(ratio),
                str(kl.rises),
                f"{kl.rank} {verdict_of(kl, rises=True)}",
                _signed(found.gap.change),
                str(found.gap.rises),
                f"{found.gap.rank} {verdict_of(found.gap, rises=False)}",
            )
        )
    return Table(
        title="Mechanism: KL rises with difficulty and budget, the measured gap falls",
        head=(
            "study",
            "KL as n to the",
            "KL hardest / easiest",
            "pairs with rising KL",
            "rank of KL and difficulty",
            "gap hardest - easiest",
            "pairs with rising gap",
            "rank of gap and difficulty",
        ),
        rows=tuple(rows),
    )


def _movement(report: Report) -> Table:
    rows = []
    for each in report.comparisons:
        plan = [each.grid.strata[i] for i in each.chosen.places["plan"]]
        best = [each.grid.strata[i] for i in each.best.place]
        rows.append(
            (
                each.study.name,
                " ".join(best),
                str(each.movement.empirical),
                " ".join(plan),
                str(each.movement.predicted),
            )
        )
    return Table(
        title="Best difficulty over budgets, and its rank correlation with the budget",
        head=("study", "empirical", "Spearman", "predicted from pilots", "Spearman"),
        rows=tuple(rows),
        notes=("Intervals: empirical over seeds, predicted over the plan's bootstrap fits.",),
    )


def _certificates(report: Report) -> Table:
    named = [(each.study.name, each.violations) for each in report.comparisons]
    rows = [
        (
            name,
            str(found.certificates),
            f"{found.below:.2%}",
            f"{found.clearly_below:.2%}",
            f"{found.delta:g}",
        )
        for name, found in [*named, ("all", report.violations)]
    ]
    return Table(
        title="Certificates below the measured risk on their own training mixture",
        head=("study", "certificates", "below the mean", "below its lower bound", "delta"),
        rows=tuple(rows),
        notes=(
            f"Lower bound: Clopper and Pearson's at level {report.violations.level:.0%}, each "
            "certificate alone.",
        ),
    )


def _observations(report: Report) -> Table:
    rows = []
    for each in report.comparisons:
        rows += [_observed(each.study.name, found) for found in each.observations]
    rows += [_observed(subject, found) for subject, found in report.stronger_base.items()]
    return Table(
        title="The paper's five observations",
        head=("study", "", "observation", "value", "verdict"),
        rows=tuple(sorted(rows, key=lambda row: row[1])),
        notes=(
            "Value: of the part that decides, above 0 as the paper says; intervals "
            f"{LEVEL:.0%} over seeds, given the test files.",
        ),
    )


def _observed(name: str, found: Observation) -> tuple[str, ...]:
    return name, found.key, found.statement, f"{found.value} {found.unit}", found.verdict


def _goals(report: Report) -> Table:
    rows = [(g.name, g.goal, g.found, "met" if g.met else "not met") for g in goals_of(report)]
    return Table(title="Goals", head=("what", "goal", "found", ""), rows=tuple(rows))
