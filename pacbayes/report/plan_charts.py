"""The drawings of a plan on a page: d*(n), and at each budget the bound over difficulty."""

from __future__ import annotations

from collections.abc import Sequence

from pacbayes.markup import Markup, tag
from pacbayes.plan import BudgetPlan, Plan
from pacbayes.report.charts import (
    WIDTH,
    Scale,
    area,
    bottom_axis,
    dot,
    drawing,
    left_axis,
    legend,
    line,
    path,
    square,
    ticks,
)

_LEFT, _RIGHT = 60, WIDTH - 20
_TOP, _BOTTOM = 34, 274
_HEIGHT = _BOTTOM + 46
_MOST_TICKS = 8


def optimum_chart(plan: Plan) -> list[Markup]:
    """d*(n) with its band, and the difficulty that the bound would choose."""
    budgets = [answer.budget for answer in plan.budgets]
    across = Scale(low=budgets[0], high=budgets[-1], start=_LEFT + 20, end=_RIGHT - 20, log=True)
    up = _difficulties(plan, start=_BOTTOM - 10, end=_TOP + 10)
    xs = [across(budget) for budget in budgets]
    best = [answer.optimal_difficulty for answer in plan.budgets]
    every = -(-len(budgets) // _MOST_TICKS)
    parts = [
        bottom_axis(across, budgets[::every], _BOTTOM, _TOP, "budget (independent units)"),
        left_axis(up, ticks(up.low, up.high), _LEFT, _RIGHT, "difficulty"),
        area(
            xs,
            [up(optimum.interval[0]) for optimum in best],
            [up(optimum.interval[1]) for optimum in best],
            "band",
        ),
        _edge_of_runs(plan, across),
        path(xs, [up(optimum.value) for optimum in best], "optimum"),
        [_budget_mark(answer, place, across, up) for place, answer in enumerate(plan.budgets)],
    ]
    return [
        drawing("Recommended difficulty against budget; numbers in the table", _HEIGHT, *parts),
        legend(
            [
                ("optimum", "least expected regret, d*(n) (forecast)"),
                ("band", f"its {100 * plan.level:g} % interval"),
                ("least-bound certificate", "least bound: certified runs (certificate)"),
                ("least-bound estimate", "the same but for the gap (estimate)"),
                ("least-bound forecast", "least bound (forecast)"),
                ("edge", "largest budget of a run"),
                ("chosen", "budget shown below"),
            ]
        ),
    ]


def _budget_mark(answer: BudgetPlan, place: int, across: Scale, up: Scale) -> Markup:
    """Both best difficulties at a budget, in a group that can be made to stand out."""
    x, least = across(answer.budget), answer.certificate_optimal_difficulty
    return tag(
        "g",
        line(x, _TOP, x, _BOTTOM, "cursor"),
        square(x, up(least.value), f"least-bound {least.status}"),
        dot(x, up(answer.optimal_difficulty.value), "optimum"),
        class_="budget-mark",
        data_place=place,
    )


def _edge_of_runs(plan: Plan, across: Scale) -> Markup | None:
    largest = plan.budgets[0].budget / plan.budgets[0].extrapolation
    if not across.low <= largest <= across.high:
        return None
    return line(across(largest), _TOP, across(largest), _BOTTOM, "edge")


def _difficulties(plan: Plan, *, start: float, end: float) -> Scale:
    low, high = plan.difficulties[0], plan.difficulties[-1]
    return Scale(low=low, high=high, start=start, end=end)


def decomposition_chart(plan: Plan, answer: BudgetPlan) -> list[Markup]:
    """The bound's parts stacked over difficulty at one budget, beside the predicted risk.

    A negative extrapolation gap takes away from the other two: it is hatched above the bound.
    """
    parts = answer.by_difficulty
    across = _difficulties(plan, start=_LEFT + 8, end=_RIGHT - 8)
    both = [a + b for a, b in zip(parts.empirical_risk, parts.generalization_gap, strict=True)]
    up = Scale(low=0, high=_reach(plan), start=_BOTTOM, end=_TOP)
    xs = [across(difficulty) for difficulty in plan.difficulties]
    risk, total = [up(v) for v in parts.empirical_risk], [up(v) for v in both]
    bound = [up(v) for v in parts.bound]
    zero = [up(0.0)] * len(xs)
    drawn = [
        area(xs, zero, risk, "empirical-risk"),
        area(xs, risk, total, "generalization-gap"),
        area(xs, total, [min(a, b) for a, b in zip(total, bound, strict=True)],
             "extrapolation-gap"),
        area(xs, total, [max(a, b) for a, b in zip(total, bound, strict=True)], "taken-away"),
        bottom_axis(across, ticks(across.low, across.high), _BOTTOM, _TOP,
                    "difficulty of the training data"),
        left_axis(up, ticks(0, up.high), _LEFT, _RIGHT, f"target risk ({plan.loss} loss)"),
        line(_LEFT, up(1.0), _RIGHT, up(1.0), "edge") if up.high > 1 else None,
        path(xs, bound, "bound"),
        area(xs, [up(v) for v in parts.lower], [up(v) for v in parts.upper], "veil"),
        path(xs, [up(v) for v in parts.predicted_risk], "predicted"),
        _markers(plan, answer, across, up),
    ]  # fmt: skip
    words = (
        f"Parts of the bound and predicted risk over difficulty at budget {answer.budget:,}: the "
        f"risk is {_range(parts.predicted_risk)}, the bound {_range(parts.bound)}"
    )
    return [drawing(words, _HEIGHT, *drawn), _parts_legend(plan, answer)]


def _range(values: Sequence[float]) -> str:
    first, least, last = (f"{value:.3f}" for value in (values[0], min(values), values[-1]))
    return f"{first} at the easiest, {last} at the hardest and {least} at least"


def _markers(plan: Plan, answer: BudgetPlan, across: Scale, up: Scale) -> list[Markup]:
    parts = answer.by_difficulty
    best, least = answer.optimal_difficulty, answer.certificate_optimal_difficulty
    runs = answer.observed or ()
    return [
        *(dot(across(run.difficulty), up(run.target_risk.value), "run") for run in runs),
        *(square(across(run.difficulty), up(run.bound.value), "run") for run in runs),
        square(
            across(least.value),
            up(answer.objective.bound),
            f"least-bound {least.status}",
        ),
        dot(across(best.value), up(parts.predicted_risk[_nearest(plan, best.value)]), "optimum", 5),
    ]


def _nearest(plan: Plan, wanted: float) -> int:
    places = range(len(plan.difficulties))
    return min(places, key=lambda place: abs(plan.difficulties[place] - wanted))


def _reach(plan: Plan) -> float:
    """One axis for all budgets, so that they can be compared; nothing true lies above 2."""
    highest = max(
        max(
            *answer.by_difficulty.bound,
            *answer.by_difficulty.upper,
            *(run.bound.value for run in answer.observed or ()),
            1e-6,
        )
        for answer in plan.budgets
    )
    return min(2.0, 1.05 * highest)


def _parts_legend(plan: Plan, answer: BudgetPlan) -> Markup:
    parts = answer.by_difficulty
    entries = [
        ("empirical-risk", "empirical risk"),
        ("generalization-gap", "generalization gap"),
        ("extrapolation-gap", "extrapolation gap"),
        ("bound", "bound, their sum"),
        ("predicted", f"predicted risk, {100 * plan.level:g} % interval"),
        ("optimum", "least expected regret"),
        (f"least-bound {answer.certificate_optimal_difficulty.status}", "least bound"),
    ]
    if _reach(plan) > 1:
        entries.append(("edge", "above it, a bound is vacuous"))
    if min(parts.extrapolation_gap) < 0:
        entries.insert(3, ("taken-away", "negative extrapolation gap"))
    if answer.observed:
        entries += [("run-risk", "measured risk of runs"), ("run-bound", "bound of runs")]
    return legend(entries)
