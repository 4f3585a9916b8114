"""What the figures of a plan share: colours, axes, and the panel of one budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from pacbayes.plan import BudgetPlan, Plan

# Okabe & Ito (2008): told apart by all common kinds of colour vision
QUALITATIVE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
BLACK = "#000000"
BAND = "#56B4E9"

PARTS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "empirical_risk": ("empirical risk", "#0072B2"),
        "generalization_gap": ("generalization gap", "#E69F00"),
        "extrapolation_gap": ("extrapolation gap", "#009E73"),
    }
)
"""Name and colour of each part of the bound."""


def percent(level: float) -> str:
    """A level in words."""
    return f"{100 * level:g} %"


def outlined() -> list[Any]:
    """A dark outline for light lines on a map."""
    from matplotlib.patheffects import Normal, Stroke

    return [Stroke(linewidth=3.5, foreground=BLACK), Normal()]


def draw_parts(axes: Any, plan: Plan, answer: BudgetPlan) -> None:
    """One budget: the bound's parts stacked over difficulty, the risk, and both best places.

    A negative extrapolation gap, training harder than the target, takes away from the other two:
    it is hatched between their sum and the bound.
    """
    grid, parts = plan.difficulties, answer.by_difficulty
    floor = [0.0] * len(grid)
    for part in ("empirical_risk", "generalization_gap"):
        name, colour = PARTS[part]
        top = [a + b for a, b in zip(floor, getattr(parts, part), strict=True)]
        axes.fill_between(grid, floor, top, color=colour, alpha=0.75, linewidth=0, label=name)
        floor = top
    _draw_extrapolation_gap(axes, grid, floor, parts.bound)
    axes.plot(grid, parts.bound, color=BLACK, linewidth=1.4, label="bound (their sum)")
    axes.fill_between(grid, parts.lower, parts.upper, color="white", alpha=0.45, linewidth=0)
    axes.plot(
        grid, parts.predicted_risk, "--", color=BLACK, linewidth=1.2,
        label=f"predicted risk, {percent(plan.level)} interval",
    )  # fmt: skip
    _mark(axes, plan, answer)
    margin = 0.03 * (grid[-1] - grid[0])
    axes.set_xlim(grid[0] - margin, grid[-1] + margin)
    axes.axhline(1, color="0.4", linewidth=0.6, linestyle=":")


def highest(answer: BudgetPlan) -> float:
    """The highest point of that panel."""
    parts = answer.by_difficulty
    pairs = zip(parts.empirical_risk, parts.generalization_gap, strict=True)
    runs = [run.bound.value for run in answer.observed or ()]
    return max(*parts.bound, *parts.upper, *(a + b for a, b in pairs), *runs)


def _draw_extrapolation_gap(
    axes: Any, grid: Sequence[float], floor: Sequence[float], bound: Sequence[float]
) -> None:
    name, colour = PARTS["extrapolation_gap"]
    above = [b >= f for b, f in zip(bound, floor, strict=True)]
    below = [not higher for higher in above]
    if any(above):
        axes.fill_between(
            grid, floor, bound, where=above, interpolate=True, color=colour, alpha=0.75,
            linewidth=0, label=name,
        )  # fmt: skip
    if any(below):
        axes.fill_between(
            grid, floor, bound, where=below, interpolate=True, facecolor="none",
            edgecolor=colour, hatch="////", linewidth=0, label=f"{name}, negative",
        )  # fmt: skip


def _mark(axes: Any, plan: Plan, answer: BudgetPlan) -> None:
    grid, parts = plan.difficulties, answer.by_difficulty
    best = answer.optimal_difficulty.value
    axes.plot(
        [best], [_near(grid, parts.predicted_risk, best)], "o", color=QUALITATIVE[0],
        markeredgecolor="white", markersize=8, clip_on=False, zorder=5,
        label="least expected regret",
    )  # fmt: skip
    best = answer.certificate_optimal_difficulty.value
    axes.plot(
        [best], [answer.objective.bound], "s", color=QUALITATIVE[1],
        markeredgecolor="white", markersize=8, clip_on=False, zorder=5,
        label="least bound",
    )  # fmt: skip
    runs = answer.observed or ()
    axes.plot(
        [run.difficulty for run in runs], [run.target_risk.value for run in runs], "x",
        color=BLACK, label="measured risk of runs",
    )  # fmt: skip
    axes.plot(
        [run.difficulty for run in runs], [run.bound.value for run in runs], "v",
        color=BLACK, markerfacecolor="none", label="bound of runs",
    )  # fmt: skip


def _near(grid: Sequence[float], values: Sequence[float], wanted: float) -> float:
    place = min(range(len(grid)), key=lambda i: abs(grid[i] - wanted))
    return values[place]


def log_budgets(axes: Any, budgets: Sequence[float]) -> None:
    """A logarithmic axis of budgets with plain numbers on it."""
    from matplotlib.ticker import FuncFormatter, NullFormatter, NullLocator

    axes.set_xscale("log")
    ticks = sorted({round(budget) for budget in budgets})
    while len(ticks) > 8:
        ticks = ticks[::2]
    axes.set_xticks(ticks)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.tick_params(axis="x", labelrotation=30)
    axes.set_xlabel("budget n (independent units to train on)")


def mark_observed(axes: Any, plan: Plan, *, on_colour: bool = False) -> None:
    """A line at the largest budget of a run: to the right of it everything is extrapolated."""
    largest = plan.budgets[0].budget / plan.budgets[0].extrapolation
    low, high = axes.get_xlim()
    if not low < largest < high:
        return
    axes.axvline(
        largest, color="white" if on_colour else "0.3", linestyle=":", linewidth=1.4,
        path_effects=outlined() if on_colour else None, label="largest budget of a run",
    )  # fmt: skip
