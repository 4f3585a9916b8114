"""What a plan says in words: verdicts, warnings, break-even budgets, and what must be said."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from pacbayes.verify.comparisons import TOLERANCE, Report

_BEYOND = 4.0
"""How far beyond the budgets break-even budgets are looked for."""
_FLAT = 0.05
_LEVEL = 0.05
_FAR = 16
_FEW = 4

_AGREED = r"The optimal difficulty (.*) from budget .* in (\d+)% of the fits\."
_MOVES = {"monotone": "moves to harder data", "flat": "stays", "reversed": "moves to easier data"}
_GROWTH = {
    "shift": "below 1",
    "flat": "1 in effect",
    "reversal": "above 1",
    "undecided": "not told apart from 1",
}
_ASSUMED = (
    "Forecast bounds put forecasts of empirical risk and KL into the kl bound",
    "A run's bound on the target risk fails with probability at most {:g}",
    "Where held-out labels of the target are at hand",
    "Difficulties between those of the runs are interpolated",
)


def check_sentences(plan: dict[str, Any], report: Report, *, largest: int) -> None:
    """Words say what the numbers say.

    Args:
        plan: The plan, its lists of the right lengths.
        report: Is added to.
        largest: Largest budget of a run.
    """
    _growth(plan, report)
    _movement(plan, report)
    _misfit(plan["misspecification"], report)
    most = _BEYOND * max(largest, *(answer["budget"] for answer in plan["budgets"]))
    for i, pair in enumerate(plan["break_even"]):
        _break_even(report, f"break_even[{i}]", pair, most)
    for where, begins, source in _needed(plan):
        there = any(text.startswith(begins) for text in plan[where])
        report.holds(there, where, "no such sentence", f"{begins} …", source)


def _growth(plan: dict[str, Any], report: Report) -> None:
    """The verdict follows from the interval, which is even around the exponent."""
    said, at = plan["kl_growth"], "kl_growth"
    exponent, interval, text = said["exponent"], said["interval"], said["statement"]
    report.equal(f"{at}.verdict", said["verdict"], _growth_of(interval))
    fields = [f"{at}.exponent", f"{at}.interval"]
    words = "All runs of a difficulty have one budget"
    if exponent is None:
        report.equal(f"{at}.interval", interval, None, f"{at}.exponent")
    elif interval is None:
        words = f"KL grows as n^{exponent:.2f} in too few runs"
    else:
        fields = [f"{at}.exponent", f"{at}.interval[0]", f"{at}.interval[1]"]
        low, high = interval
        even = abs((low + high) / 2 - exponent) <= TOLERANCE * max(1.0, high - low)
        report.holds(even and low <= high, fields[0], exponent, "the middle", *fields[1:])
        report.pinned |= set(fields)
        words = (
            f"KL grows as n^{exponent:.2f} ({plan['level']:.0%} interval {low:.2f} to {high:.2f}), "
            f"{_GROWTH[said['verdict']]}"
        )
    told = text.startswith(words)
    report.holds(told, f"{at}.statement", text, f"{words} …", *fields, "level")


def _growth_of(interval: Sequence[float] | None) -> str:
    if interval is None:
        return "undecided"
    low, high = interval
    if abs(low - 1) <= _FLAT and abs(high - 1) <= _FLAT:
        return "flat"
    return "shift" if high < 1 else "reversal" if low > 1 else "undecided"


def _movement(plan: dict[str, Any], report: Report) -> None:
    """Verdict and sentence say the same, with at least the level behind them."""
    said, where = plan["comparative_statics"], "comparative_statics.verdict"
    text = said["statement"]
    agreed = re.fullmatch(_AGREED, text)
    if agreed:
        enough = int(agreed[2]) >= 100 * plan["level"] - 0.5
        wanted = [name for name, moves in _MOVES.items() if moves == agreed[1] and enough]
    elif text.startswith("The runs' own best difficulty gets easier"):
        wanted = ["reversed"]
    else:
        unclear = text.startswith(("One budget does not", "The fits do not agree"))
        wanted = ["undecided"] if unclear else []
    sources = ("comparative_statics.statement", "level")
    report.holds([said["verdict"]] == wanted, where, said["verdict"], f"{wanted}", *sources)
    report.pinned.add(where)


def _misfit(said: dict[str, Any], report: Report) -> None:
    """There is a warning if the runs contradict the curves."""
    p, warned, where = said["p_value"], said["warning"], "misspecification.warning"
    source = "misspecification.p_value"
    if p is None or p > _LEVEL:
        report.equal(where, warned, None)
    else:
        words = f"The runs contradict the family of learning curves (p = {p:.3g});"
        ok = warned is not None and warned.startswith(words)
        report.holds(ok, where, warned, f"{words} …", source)
    known = said["statistic"] is not None or p is None
    report.holds(known, source, p, "null without a statistic", "misspecification.statistic")


def _break_even(report: Report, at: str, pair: dict[str, Any], most: float) -> None:
    """Its sentence, and that it lies where it was looked for."""
    budget, easier, harder = pair["budget"], pair["easier"], pair["harder"]
    low, high = pair["interval"] or (None, None)
    if budget is None:
        words = [
            f"Forecast: difficulty {harder:.3g} is {where} {easier:.3g} "
            for where in ("better than", "nowhere better than")
        ]
        report.pinned.add(f"{at}.budget")
    else:
        words = [f"Forecast: difficulty {harder:.3g} beats {easier:.3g} from a budget of "]
        words[0] += f"{budget:,.0f};"
        ok = 0 < budget <= most * (1 + TOLERANCE)
        ok = ok and (low is None or low <= budget) and (high is None or budget <= high)
        wanted = f"in {pair['interval']}, up to {most:g}"
        report.holds(ok, f"{at}.budget", budget, wanted, f"{at}.interval")
    told = pair["statement"].startswith(tuple(words))
    sources = (f"{at}.budget", f"{at}.easier", f"{at}.harder")
    wanted = " or ".join(words)
    report.holds(told, f"{at}.statement", pair["statement"], f"{wanted} …", *sources)


def _needed(plan: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Where there must be a sentence, how it begins, and why."""
    answers = plan["budgets"]
    twice = 2 * plan["delta"]
    needed = [("assumptions", text.format(twice), "delta") for text in _ASSUMED]
    if answers[0]["mixture"] is not None:
        needed.append(("assumptions", "Mixtures: ", "budgets[0].mixture"))
    if plan["kl_growth"]["exponent"] is None:
        needed.append(("unknown", "How KL grows with budget: every", "kl_growth.exponent"))
    far = [a["budget"] for a in answers if a["extrapolation"] > _FAR]
    if far:
        needed.append(("unknown", f"How good the forecast is at {_listed(far)}", "budgets"))
    hardest = plan["difficulties"][-1]
    edge = [a["budget"] for a in answers if a["optimal_difficulty"]["value"] >= hardest]
    if edge:
        begins = f"Whether still harder data would be better at {_listed(edge)}"
        needed.append(("unknown", begins, "budgets"))
    return needed


def _listed(budgets: Sequence[int]) -> str:
    if len(budgets) > _FEW:
        return f"{len(budgets)} budgets from {budgets[0]:,} to {budgets[-1]:,}"
    return "budget " + ", ".join(f"{budget:,}" for budget in budgets)
