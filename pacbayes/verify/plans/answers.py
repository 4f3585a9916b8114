"""One budget of a plan: its optima, the parts of its bound, its mixture."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

from pacbayes.verify.comparisons import TOLERANCE, Report
from pacbayes.verify.plans.observed import check_run, least_of, not_excluded, status_of

_PARTS = ("empirical_risk", "generalization_gap", "extrapolation_gap")
_SHARES = 1e-6


class Answer:
    """The answer for one budget, under examination."""

    def __init__(self, plan: dict[str, Any], report: Report, place: int) -> None:
        self.plan, self.report, self.at = plan, report, f"budgets[{place}]"
        self.of: dict[str, Any] = plan["budgets"][place]
        self.grid: list[float] = plan["difficulties"]
        self.curves: dict[str, list[float]] = self.of["by_difficulty"]
        self.seen: list[dict[str, Any]] = self.of["observed"] or []
        self.strata = {s["name"]: s["difficulty"] for s in plan["strata"]}

    def path(self, key: str) -> str:
        """The path of one of the answer's fields."""
        return f"{self.at}.{key}"

    def check(self) -> None:
        """Everything of the answer."""
        self.by_difficulty()
        self.predicted()
        where, none = self.path("observed"), self.of["observed"] == []
        self.report.holds(not none, where, [], "null if there are none")
        for i, run in enumerate(self.seen):
            check_run(self.report, f"{where}[{i}]", run, grid=self.grid, strata=self.strata)
        if len({run["difficulty"] for run in self.seen}) > 1:
            self.least_observed()
        else:
            self.least_forecast()
        if self.of["mixture"] is not None:
            self.mixture(self.of["mixture"])

    def close(self, where: str, recorded: float, wanted: float, *sources: str) -> None:
        """The field is this but for rounding."""
        ok = abs(recorded - wanted) <= TOLERANCE
        self.report.holds(ok, where, recorded, repr(wanted), *sources)
        self.report.pinned |= {where, *sources}

    def by_difficulty(self) -> None:
        """Risks in [0, 1], a bound of at most 1 for the training distribution, ends in order."""
        for j in range(len(self.grid)):
            here = {name: values[j] for name, values in self.curves.items()}
            risk, gap, shift = (here[name] for name in _PARTS)
            own = here["predicted_risk"]
            self.inside(j, _PARTS[0], risk, 0, 1)
            self.inside(j, _PARTS[1], gap, 0, 1 - risk, _PARTS[0])
            self.inside(j, _PARTS[2], shift, own - 1, own, "predicted_risk")
            self.inside(j, "lower", here["lower"], 0, here["upper"], "upper")

    def inside(
        self, j: int, name: str, value: float, low: float, high: float, *others: str
    ) -> None:
        """A number of the grid lies between two others."""
        at = self.path("by_difficulty")
        sources = [f"{at}.{other}[{j}]" for other in others]
        ok = low - TOLERANCE <= value <= high + TOLERANCE
        self.report.holds(ok, f"{at}.{name}[{j}]", value, f"in [{low!r}, {high!r}]", *sources)

    def predicted(self) -> None:
        """The least of the predicted risks, and where it is."""
        risks, found = self.curves["predicted_risk"], self.of["optimal_difficulty"]
        place = min(range(len(risks)), key=risks.__getitem__)
        at = self.path("optimal_difficulty")
        source = self.path(f"by_difficulty.predicted_risk[{place}]")
        self.report.equal(f"{at}.value", found["value"], self.grid[place], source)
        self.optimum(at, found)
        self.forecast("predicted_risk", self.of["predicted_risk"])
        risk = self.of["predicted_risk"]["value"]
        self.close(self.path("predicted_risk.value"), risk, risks[place], source)

    def optimum(self, at: str, found: dict[str, Any]) -> None:
        """A forecast on the grid; the best is in its interval and not told from itself."""
        near, (low, high), best = found["indistinguishable"], found["interval"], found["value"]
        self.report.equal(f"{at}.status", found["status"], "forecast")
        rising = all(a < b for a, b in pairwise(near))
        ok = rising and set(near) <= set(self.grid) and best in near
        self.report.holds(ok, f"{at}.indistinguishable", near, f"with {best}, on the grid")
        ok = low <= best <= high and {low, high} <= set(self.grid)
        self.report.holds(ok, f"{at}.interval", [low, high], f"around {best}, on the grid")

    def forecast(self, key: str, found: dict[str, Any]) -> None:
        """A number of fitted curves."""
        self.report.equal(self.path(f"{key}.status"), found["status"], "forecast")
        self.around(self.path(key), found)

    def around(self, at: str, found: dict[str, Any]) -> None:
        """An interval contains its value."""
        low, high = found["interval"] or (found["value"], found["value"])
        ok = low <= found["value"] <= high
        self.report.holds(ok, f"{at}.interval", [low, high], f"around {found['value']}")

    def least_forecast(self) -> None:
        """The least of the forecast bounds, and its parts."""
        at = self.path("certificate_optimal_difficulty")
        found = self.of["certificate_optimal_difficulty"]
        self.optimum(at, found)
        columns = zip(*(self.curves[name] for name in _PARTS), strict=True)
        bounds = [math.fsum(column) for column in columns]
        best = bounds.index(min(bounds))
        place = self.grid.index(found["value"]) if found["value"] in self.grid else None
        ok = place is not None and bounds[place] <= bounds[best] + TOLERANCE
        curves = self.path("by_difficulty")
        self.report.holds(ok, f"{at}.value", found["value"], repr(self.grid[best]), curves)
        self.report.pinned.add(f"{at}.value")
        for name in _PARTS if place is not None else ():
            part, where = self.of["objective"][name], self.path(f"objective.{name}.value")
            self.forecast(f"objective.{name}", part)
            source = f"{curves}.{name}[{place}]"
            self.close(where, part["value"], self.curves[name][place or 0], source)

    def least_observed(self) -> None:
        """The run of the least certified bound, what it does not exclude, and its parts."""
        report, place, kept = self.report, least_of(self.seen), not_excluded(self.seen)
        at, of = self.path("certificate_optimal_difficulty"), self.path(f"observed[{place}]")
        found, run = self.of["certificate_optimal_difficulty"], self.seen[place]
        report.equal(f"{at}.value", found["value"], run["difficulty"], f"{of}.bound.value")
        for key, wanted in (("indistinguishable", kept), ("interval", [*kept[:1], *kept[-1:]])):
            fields = [f"{at}.{key}[{i}]" for i in range(len(found[key]))]
            report.equal(f"{at}.{key}", found[key], wanted, *fields)
        status = status_of(self.seen, self.plan["delta"])
        report.equal(f"{at}.status", found["status"], status)
        self.parts(run, of)

    def parts(self, run: dict[str, Any], of: str) -> None:
        """Empirical risk and gap add up to the certificate, it and the other gap to the bound."""
        risk, gap, shift = parts = [self.of["objective"][name] for name in _PARTS]
        at = [self.path(f"objective.{name}") for name in _PARTS]
        statuses = ("certificate", "certificate", run["bound"]["status"])
        for where, part, status in zip(at, parts, statuses, strict=True):
            self.report.equal(f"{where}.status", part["status"], status)
            told = part["interval"] is not None
            self.report.holds(told, f"{where}.interval", None, "two numbers")
        ends = [f"{of}.risk_bound[0]", f"{of}.risk_bound[1]"]
        low, high = run["risk_bound"]
        self.close(f"{at[1]}.value", gap["value"], high - risk["value"], ends[1], f"{at[0]}.value")
        self.around(at[0], risk)
        if not all(part["interval"] for part in (*parts, run["bound"])):
            return
        least, most = risk["interval"]
        for i, wanted in enumerate((low - most, high - least)):
            source = f"{at[0]}.interval[{1 - i}]"
            where, total = f"{of}.bound.interval[{i}]", run["bound"]["interval"][i]
            self.close(f"{at[1]}.interval[{i}]", gap["interval"][i], wanted, ends[i], source)
            wanted, source = run["risk_bound"][i] + shift["interval"][i], f"{at[2]}.interval[{i}]"
            self.close(where, total, wanted, ends[i], source)
        self.report.equal(f"{at[2]}.value", shift["value"], shift["interval"][1])

    def mixture(self, found: dict[str, Any]) -> None:
        """Shares, the best stratum alone, and that nothing recommended is worse than it."""
        report, at, weights = self.report, self.path("mixture"), found["weights"]
        others = [answer["mixture"] for answer in self.plan["budgets"]]
        same = all(other and other["weights"].keys() == weights.keys() for other in others)
        report.holds(same, f"{at}.weights", sorted(weights), "the strata of all budgets")
        ok = abs(sum(weights.values()) - 1) <= _SHARES
        report.holds(ok, f"{at}.weights", weights, "shares that add up to 1")
        ok = found["marginal_value"].keys() == weights.keys()
        report.holds(ok, f"{at}.marginal_value", sorted(found["marginal_value"]), "for all strata")
        self.forecast("mixture.predicted_risk", found["predicted_risk"])
        risks = {name: self.alone(name) for name in weights}
        where, single = f"{at}.best_single_stratum", found["best_single_stratum"]
        best = min(risks, key=risks.__getitem__, default="")
        ok = risks.get(single, math.inf) <= risks.get(best, 0) + TOLERANCE
        report.holds(ok, where, single, repr(best))
        report.pinned.add(where)
        if not ok:
            return
        only, risk = weights.get(single) == 1, found["predicted_risk"]["value"]
        if max(weights.values()) == 1:
            fields = [f"{at}.weights.{name}" for name in weights]
            report.holds(only, where, single, "the one that is trained on", *fields)
            self.close(f"{at}.predicted_risk.value", risk, risks[single])
        else:
            wanted = f"at most {risks[single]!r}, that of {single}"
            ok = risk <= risks[single] + TOLERANCE
            report.holds(ok, f"{at}.predicted_risk.value", risk, wanted)
        self.certificate(found["joint_certificate"], single if only else None)

    def alone(self, name: str) -> float:
        """Predicted risk after training on one stratum."""
        difficulty = self.strata.get(name)
        if difficulty not in self.grid:
            return math.inf
        return self.curves["predicted_risk"][self.grid.index(difficulty)]

    def certificate(self, found: dict[str, Any] | None, only: str | None) -> None:
        """Of one stratum it is the forecast bound there, else a risk without an interval."""
        if found is None:
            return
        at = self.path("mixture.joint_certificate")
        self.forecast("mixture.joint_certificate", found)
        ok = 0 <= found["value"] <= 1 and (only is not None or found["interval"] is None)
        self.report.holds(ok, f"{at}.value", found["value"], "a risk", f"{at}.interval")
        if only is not None:
            place = self.grid.index(self.strata[only])
            bound = self.curves[_PARTS[0]][place] + self.curves[_PARTS[1]][place]
            self.close(f"{at}.value", found["value"], bound)
