"""Finished runs in a plan: what each is said to be, and the least of their bounds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from pacbayes.verify.comparisons import TOLERANCE, Report

ORDER = ("forecast", "estimate", "certificate")
"""Statuses, from the weakest."""

_SHARES = 1e-6
_WILSON = 1e-6
"""Relative error of z²/n as it is found from the ends of an interval."""


def check_run(
    report: Report,
    at: str,
    run: dict[str, Any],
    *,
    grid: Sequence[float],
    strata: Mapping[str, float],
) -> None:
    """Shares, difficulty, bound, and the interval of the measured risk.

    Args:
        report: Is added to.
        at: Its path.
        run: The run.
        grid: Difficulties of the plan.
        strata: Difficulty of each stratum.
    """
    weights, bound, difficulty = run["train_weights"], run["bound"], run["difficulty"]
    ok = abs(sum(weights.values()) - 1) <= _SHARES and min(weights.values(), default=-1) >= 0
    report.holds(ok, f"{at}.train_weights", weights, "shares that add up to 1")
    report.holds(difficulty in grid, f"{at}.difficulty", difficulty, "on the grid", "difficulties")
    for name, weight in weights.items():
        if weight == 1 and name in strata:
            report.equal(f"{at}.difficulty", difficulty, strata[name])
    low, high = run["risk_bound"]
    report.holds(low <= high, f"{at}.risk_bound", [low, high], "in order")
    least, most = bound["interval"] or (None, None)
    report.equal(f"{at}.bound.value", bound["value"], most, f"{at}.bound.interval[1]")
    if least is not None and most is not None:
        ok = -1 - TOLERANCE <= least - low <= most - high + TOLERANCE <= 1 + 2 * TOLERANCE
        source = f"{at}.risk_bound"
        report.holds(ok, f"{at}.bound.interval", bound["interval"], "that plus a gap", source)
    _check_measured(report, f"{at}.target_risk", run["target_risk"])


def _check_measured(report: Report, at: str, risk: dict[str, Any]) -> None:
    """Both ends p of Wilson's interval of r have the same (p − r)²/(p (1 − p)), which is z²/n."""
    mean, (low, high) = risk["value"], risk["interval"] or (2.0, -1.0)
    fields = (f"{at}.interval[0]", f"{at}.interval[1]")
    report.equal(f"{at}.status", risk["status"], "estimate")
    ok = 0 <= low <= mean <= high <= 1
    report.holds(ok, f"{at}.interval", risk["interval"], f"around {mean}, in [0, 1]")
    if 0 < low < mean < high < 1:
        first, last = ((p - mean) ** 2 / (p * (1 - p)) for p in (low, high))
        ok = math.isclose(first, last, rel_tol=_WILSON)
        report.holds(ok, f"{at}.value", mean, "what Wilson's interval is of", *fields)
        report.pinned |= {f"{at}.value", *fields}


def ends_of(run: dict[str, Any]) -> tuple[float, float]:
    """Where its bound says that its target risk lies."""
    bound = run["bound"]
    low, high = bound["interval"] or (bound["value"], bound["value"])
    return low, high


def least_of(runs: Sequence[dict[str, Any]]) -> int:
    """Place of the run of the least bound; of several the easiest."""
    return min(range(len(runs)), key=lambda i: (ends_of(runs[i])[1], runs[i]["difficulty"]))


def not_excluded(runs: Sequence[dict[str, Any]]) -> list[float]:
    """Difficulties whose bounds leave open that they are the best."""
    least = ends_of(runs[least_of(runs)])[1]
    return sorted({run["difficulty"] for run in runs if ends_of(run)[0] <= least})


def status_of(runs: Sequence[dict[str, Any]], delta: float) -> str:
    """What the least of the bounds promises: they hold together at 1 − 2δ for each."""
    weakest = min((run["bound"]["status"] for run in runs), key=ORDER.index)
    return weakest if math.fsum([2 * delta] * len(runs)) < 1 else "estimate"
