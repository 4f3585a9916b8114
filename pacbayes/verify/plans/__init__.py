"""A plan recomputed from what it records: order, optima, sums, shares and verdicts.

Most numbers of a plan are means over bootstrap fits that the file does not hold; what can be told
of them is how they hang together. Fields that nothing depends on are listed as unchecked.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from pacbayes.verify.comparisons import TOLERANCE, Report, by_schema
from pacbayes.verify.plans.answers import Answer
from pacbayes.verify.plans.observed import ORDER
from pacbayes.verify.plans.sentences import check_sentences

SCHEMA = "pacbayes.plan/1"

SHARES = 1e-6
"""How far from 1 shares may add up to that were given by hand."""

_LEAST = 1e-15
"""No budget is a smaller part of another."""


def verify_plan(document: dict[str, Any]) -> Report:
    """Recomputes a plan from its own recorded quantities.

    Args:
        document: The JSON object in its file, see `read`.
    """
    report = by_schema(document, "plan")
    if report.findings:
        return report
    plan = _Plan(document, report)
    plan.axes()
    if not report.findings:
        plan.check()
        check_sentences(document, report, largest=plan.largest)
        for place in range(len(plan.answers)):
            Answer(document, report, place).check()
    return report


class _Plan:
    """A plan under examination."""

    def __init__(self, document: dict[str, Any], report: Report) -> None:
        self.of, self.report = document, report
        self.grid: list[float] = document["difficulties"]
        self.answers: list[dict[str, Any]] = document["budgets"]
        self.budgets: list[int] = [answer["budget"] for answer in self.answers]
        pairs = document["break_even"]
        self.trained = sorted({pair[end] for pair in pairs for end in ("easier", "harder")})
        self.largest, self.first = self._largest()

    def _largest(self) -> tuple[int, int]:
        """The largest budget of a run, as most of the answers have it, and the first of them."""
        found = [
            round(answer["budget"] / answer["extrapolation"])
            if answer["extrapolation"] >= _LEAST
            else 0
            for answer in self.answers
        ]
        largest = max(found, key=found.count)
        return largest, found.index(largest)

    def axes(self) -> None:
        """Lists that must increase, and their lengths."""
        _increasing(self.report, "difficulties", self.grid)
        _increasing(self.report, "budgets", self.budgets)
        for i, answer in enumerate(self.answers):
            for name, values in answer["by_difficulty"].items():
                where, ok = f"budgets[{i}].by_difficulty.{name}", len(values) == len(self.grid)
                self.report.holds(ok, where, len(values), "one for each difficulty")
        if self.grid:
            self.break_even_pairs()

    def check(self) -> None:
        """What is not of one budget."""
        self.the_grid()
        self.strata()
        self.target()
        self.runs()
        self.extrapolation()
        self.phase_diagram()

    def break_even_pairs(self) -> None:
        """Each two neighbouring difficulties of the runs, and the easiest with the hardest."""
        found = [[pair["easier"], pair["harder"]] for pair in self.of["break_even"]]
        wanted = [list(pair) for pair in pairwise(self.trained)]
        ends = [*self.trained[:1], *self.trained[-1:]]
        if len(self.trained) > 2:
            wanted.append(ends)
        ok = ends == [self.grid[0], self.grid[-1]]
        self.report.holds(ok, "break_even", found, "from end to end", "difficulties")
        keys = ("easier", "harder")
        fields = [f"break_even[{i}].{key}" for i in range(len(found)) for key in keys]
        self.report.equal("break_even", found, wanted, *fields)

    def the_grid(self) -> None:
        """An even grid from the easiest to the hardest, with the runs' own difficulties in it."""
        n, close = len(self.grid), TOLERANCE * max(map(abs, self.grid))
        sizes = range(max(2, n - len(self.trained)), n + 1)
        grids = (grid for m in sizes if len(grid := _even_grid(self.trained, m)) == n)
        ok = any(
            all(abs(a - b) <= close for a, b in zip(grid, self.grid, strict=True)) for grid in grids
        )
        fields = [f"difficulties[{i}]" for i in range(n)]
        self.report.holds(ok, "difficulties", self.grid, "even, with those of the runs", *fields)
        self.report.pinned |= set(fields)

    def strata(self) -> None:
        """From easy to hard, each from where the one before ends; those of mixtures were run."""
        strata, report = self.of["strata"], self.report
        names = [stratum["name"] for stratum in strata]
        report.holds(len(set(names)) == len(names), "strata", names, "unique names")
        edges = [(None, None), *((a["high"], b["low"]) for a, b in pairwise(strata)), (None, None)]
        for i, stratum in enumerate(strata):
            report.equal(f"strata[{i}].low", stratum["low"], edges[i][0])
            report.equal(f"strata[{i}].high", stratum["high"], edges[i + 1][1])
        for i, (a, b) in enumerate(pairwise(strata)):
            low, edge, high = a["difficulty"], a["high"], b["difficulty"]
            ok = edge is not None and low <= edge <= high
            report.holds(ok, f"strata[{i}].high", edge, f"from {low} to {high}")
        mixed = self.answers[0]["mixture"]
        for name in mixed["weights"] if mixed else ():
            report.holds(name in names, "strata", names, f"with {name!r}, of the mixtures")
        places = [i for i, name in enumerate(names) if mixed and name in mixed["weights"]]
        for i, difficulty in zip(places, self.trained, strict=False):
            at, source = f"strata[{i}].difficulty", f"strata[{i}].name"
            report.equal(at, strata[i]["difficulty"], difficulty, source)

    def target(self) -> None:
        """Shares that add up to 1; if they were counted, whole numbers of units."""
        target, report = self.of["target"], self.report
        weights, n = target["weights"], target["n"]
        total = sum(weights.values())
        ok = not weights or abs(total - 1) <= SHARES
        report.holds(ok, "target.weights", total, "shares that add up to 1")
        file = ("target.path", "target.sha256", "target.n")
        none = [target[key] is None for key in ("path", "sha256", "n")]
        report.holds(len(set(none)) == 1, "target.n", n, "there with the file", *file)
        if n is None:
            report.pinned |= set(file)
        for name, weight in weights.items() if n else ():
            report.equal(f"target.weights.{name}", weight, round(weight * n) / n, "target.n")

    def runs(self) -> None:
        """There are at least as many as are shown, of the first of the bases."""
        bases, report = self.of["bases"], self.report
        report.holds(len(set(bases)) == len(bases), "bases", bases, "each once")
        seen = [
            (f"budgets[{i}].observed[{j}]", run)
            for i, answer in enumerate(self.answers)
            for j, run in enumerate(answer["observed"] or ())
        ]
        number, promised = self.of["runs"]["number"], self.of["gap"]["status"]
        at_least = f"at least {len(seen)}"
        report.holds(len(seen) <= number, "runs.number", number, at_least, "budgets")
        statuses = [run["bound"]["status"] for _, run in seen]
        weakest = min(statuses, key=ORDER.index, default=promised)
        whole = len(seen) == number
        ok = promised == weakest if whole else ORDER.index(promised) <= ORDER.index(weakest)
        report.holds(ok, "gap.status", promised, weakest)
        report.pinned |= {"gap.status"} if whole else set()
        for at, run in seen:
            report.equal(f"{at}.base", run["base"], bases[0], "bases[0]")

    def extrapolation(self) -> None:
        """Of each budget over one and the same largest budget of a run."""
        for i, answer in enumerate(self.answers):
            where, ratio = f"budgets[{i}].extrapolation", answer["extrapolation"]
            wanted = answer["budget"] / self.largest if self.largest else None
            sources = [f"budgets[{j}].budget" for j in {i, self.first}]
            sources.append(f"budgets[{self.first}].extrapolation")
            self.report.holds(ratio == wanted, where, ratio, f"{wanted!r}", *sources)
            self.report.pinned |= {where, *sources} if len(self.answers) > 1 else set()
            ok = answer["observed"] is None or answer["budget"] <= self.largest
            self.report.holds(ok, where, ratio, "at most 1, as there are runs")

    def phase_diagram(self) -> None:
        """At the budgets of the plan, with difficulties of its grid."""
        diagram, report = self.of["phase_diagram"], self.report
        if diagram is None:
            return
        places = [f"phase_diagram.budgets[{i}]" for i in range(len(diagram["budgets"]))]
        report.equal("phase_diagram.budgets", diagram["budgets"], self.budgets, *places)
        strengths, rows = diagram["base_strengths"], diagram["optimal_difficulty"]
        _increasing(report, "phase_diagram.base_strengths", strengths)
        ok = len(rows) == len(strengths) and all(len(row) == len(self.budgets) for row in rows)
        report.holds(ok, "phase_diagram.optimal_difficulty", len(rows), "one for each strength")
        for i, row in enumerate(rows):
            for j, difficulty in enumerate(row):
                where = f"phase_diagram.optimal_difficulty[{i}][{j}]"
                report.holds(difficulty in self.grid, where, difficulty, "on the grid")


def _increasing(report: Report, where: str, values: Sequence[float]) -> None:
    ok = bool(values) and all(a < b for a, b in pairwise(values))
    report.holds(ok, where, values, "increasing")


def _even_grid(trained: Sequence[float], n: int) -> list[float]:
    """So many difficulties with equal steps, and the runs' own in place of those near them."""
    low, high = trained[0], trained[-1]
    even = [low + (high - low) * i / (n - 1) for i in range(n)]
    near = 1e-6 * (high - low)
    return sorted([*(d for d in even if min(abs(d - t) for t in trained) > near), *trained])
