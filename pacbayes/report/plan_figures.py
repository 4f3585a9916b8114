"""The figures of a plan: what it recommends at each budget, and what that is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pacbayes.files import replace_file
from pacbayes.plan import BudgetPlan, Plan
from pacbayes.report.canvas import FORMATS, figure_bytes, name_in_figure, new_figure
from pacbayes.report.plan_panels import (
    BAND,
    QUALITATIVE,
    draw_parts,
    highest,
    log_budgets,
    mark_observed,
    outlined,
    percent,
)

_MOST_PANELS = 4


def bound_by_difficulty(plan: Plan) -> Any:
    """The bound against difficulty at some budgets, its three parts stacked, beside the risk."""
    answers = _spread(plan.budgets, _MOST_PANELS)
    figure = new_figure(2.6 + 2.7 * len(answers), 4.0)
    panels = figure.subplots(1, len(answers), sharey=True, squeeze=False)[0]
    for axes, answer in zip(panels, answers, strict=True):
        draw_parts(axes, plan, answer)
        seen = "runs observed" if answer.observed else _times(answer.extrapolation)
        axes.set_title(f"budget {answer.budget:,}\n({seen})", size=9)
        axes.set_xlabel("difficulty of the training data")
    panels[0].set_ylabel(f"target risk ({name_in_figure(plan.loss)} loss)")
    panels[0].set_ylim(0, 1.05 * max(map(highest, answers)))
    named: dict[str, Any] = {}
    for axes in panels:
        handles, labels = axes.get_legend_handles_labels()
        named |= dict(zip(labels, handles, strict=True))
    figure.legend(
        named.values(), named.keys(), loc="outside right upper", fontsize=8, frameon=False
    )
    figure.suptitle("Bound on the target risk and its parts (curves: forecasts)", size=10)
    return figure


def optimal_difficulty(plan: Plan) -> Any:
    """d*(n) with its band, and the difficulty that the bound would choose."""
    figure = new_figure(7.2, 4.2)
    axes = figure.add_subplot()
    budgets = [answer.budget for answer in plan.budgets]
    found = [answer.optimal_difficulty for answer in plan.budgets]
    low, high = zip(*(optimum.interval for optimum in found), strict=True)
    axes.fill_between(
        budgets, low, high, color=BAND, alpha=0.35, label=f"{percent(plan.level)} interval"
    )
    for budget, optimum in zip(budgets, found, strict=True):
        same = optimum.indistinguishable
        axes.plot([budget] * len(same), same, ".", color="0.45", markersize=3, zorder=2)
    axes.plot([], [], ".", color="0.45", markersize=4, label="not to be told from the best")
    values = [optimum.value for optimum in found]
    axes.plot(budgets, values, "o-", color=QUALITATIVE[0], label="least expected regret (forecast)")
    _draw_certificate_optimum(axes, plan)
    log_budgets(axes, budgets)
    mark_observed(axes, plan)
    axes.set_ylim(*_with_margin(plan.difficulties))
    axes.set_ylabel("optimal difficulty d*(n)")
    axes.set_title(
        f"movement with budget: {plan.comparative_statics.verdict}; "
        f"KL growth: {plan.kl_growth.verdict}",
        size=10,
    )
    figure.legend(loc="outside lower center", ncols=3, fontsize=8, frameon=False)
    return figure


def _draw_certificate_optimum(axes: Any, plan: Plan) -> None:
    pairs = [(a.budget, a.certificate_optimal_difficulty) for a in plan.budgets]
    axes.plot(
        [budget for budget, _ in pairs],
        [optimum.value for _, optimum in pairs],
        "--",
        color=QUALITATIVE[1],
        label="least bound",
    )
    for status, face, name in (
        ("certificate", QUALITATIVE[1], "certified runs"),
        ("estimate", "0.8", "certified but for the gap"),
        ("forecast", "white", "forecast"),
    ):
        chosen = [(budget, optimum.value) for budget, optimum in pairs if optimum.status == status]
        if chosen:
            axes.plot(
                *zip(*chosen, strict=True),
                "s",
                color=QUALITATIVE[1],
                markerfacecolor=face,
                label=f"least bound: {name}",
            )


def difficulty_budget_map(plan: Plan) -> Any:
    """Predicted target risk over budget and difficulty, with d*(n) on it."""
    figure = new_figure(7.2, 4.2)
    axes = figure.add_subplot()
    budgets = [answer.budget for answer in plan.budgets]
    risks = [[answer.by_difficulty.predicted_risk[i] for answer in plan.budgets]
             for i in range(len(plan.difficulties))]  # fmt: skip
    mesh = axes.pcolormesh(
        _edges(budgets, log=True),
        _edges(plan.difficulties),
        risks,
        cmap="cividis_r",
        rasterized=True,
    )
    values = [answer.optimal_difficulty.value for answer in plan.budgets]
    axes.plot(
        budgets, values, "o-", color="white", path_effects=outlined(), label="optimal difficulty"
    )
    log_budgets(axes, budgets)
    mark_observed(axes, plan, on_colour=True)
    axes.set_ylabel("difficulty of the training data")
    figure.colorbar(
        mesh, ax=axes, label=f"predicted target risk ({name_in_figure(plan.loss)} loss, forecast)"
    )
    axes.set_title("Where to train: predicted risk over budget and difficulty", size=10)
    figure.legend(loc="outside lower center", ncols=2, fontsize=8, frameon=False)
    return figure


def mixture_weights(plan: Plan) -> Any:
    """Shares of the strata in the best mixture against budget; None if there are no mixtures."""
    answers = [answer for answer in plan.budgets if answer.mixture is not None]
    if not answers:
        return None
    figure = new_figure(7.2, 4.2)
    axes = figure.add_subplot()
    budgets = [answer.budget for answer in answers]
    names = [stratum.name for stratum in plan.strata]
    shares = [[a.mixture.weights.get(name, 0.0) for a in answers if a.mixture] for name in names]
    colours = _sequence(len(names))
    if len(answers) == 1:
        budgets = [round(budgets[0] * 0.9), round(budgets[0] * 1.1)]
        shares = [[share[0], share[0]] for share in shares]
    shown = list(map(name_in_figure, names))
    axes.stackplot(budgets, shares, labels=shown, colors=colours, edgecolor="white", linewidth=0.6)
    log_budgets(axes, budgets)
    mark_observed(axes, plan, on_colour=True)
    axes.set_ylim(0, 1)
    axes.set_ylabel("share of the training data")
    axes.set_title("Best mixture of strata at each budget (forecast)", size=10)
    figure.legend(loc="outside right center", fontsize=8, frameon=False, reverse=True)
    return figure


def phase_diagram(plan: Plan) -> Any:
    """Best difficulty over budget and strength of the base model; None if it was not made."""
    found = plan.phase_diagram
    if found is None:
        return None
    figure = new_figure(7.2, 4.2)
    axes = figure.add_subplot()
    mesh = axes.pcolormesh(
        _edges(found.budgets, log=True),
        _edges(found.base_strengths),
        found.optimal_difficulty,
        cmap="viridis",
        vmin=plan.difficulties[0],
        vmax=plan.difficulties[-1],
        rasterized=True,
    )
    log_budgets(axes, found.budgets)
    axes.set_ylabel("accuracy of the base model on the target")
    figure.colorbar(mesh, ax=axes, label="optimal difficulty (forecast)")
    axes.set_title("How hard to train, by budget and strength of the base model", size=10)
    return figure


FIGURES: Mapping[str, Callable[[Plan], Any]] = MappingProxyType(
    {
        "bound_by_difficulty": bound_by_difficulty,
        "optimal_difficulty": optimal_difficulty,
        "difficulty_budget_map": difficulty_budget_map,
        "mixture_weights": mixture_weights,
        "phase_diagram": phase_diagram,
    }
)


def plan_figures(plan: Plan, formats: Sequence[str] = FORMATS) -> dict[str, bytes]:
    """Every figure the plan has data for, in every format, by file name."""
    return {
        f"{name}.{suffix}": content
        for name, draw in FIGURES.items()
        for suffix, content in figure_bytes(partial(draw, plan), formats).items()
    }


def save_plan_figures(plan: Plan, folder: Path) -> tuple[Path, ...]:
    """Draws all figures, then writes them; returns their paths."""
    drawn = plan_figures(plan)
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in drawn.items():
        replace_file(folder / name, content)
    return tuple(folder / name for name in drawn)


def _spread(answers: Sequence[BudgetPlan], most: int) -> list[BudgetPlan]:
    """The first, the last and some between."""
    if len(answers) <= most:
        return list(answers)
    step = (len(answers) - 1) / (most - 1)
    return [answers[round(i * step)] for i in range(most)]


def _times(extrapolation: float) -> str:
    if extrapolation > 1:
        return f"{extrapolation:.3g}× beyond the runs"
    return "no runs at it"


def _edges(values: Sequence[float], *, log: bool = False) -> Any:
    """Edges of cells around values, one more than values."""
    import numpy as np

    centres = np.log(values) if log else np.asarray(values, dtype=float)
    if len(centres) == 1:
        half = 0.1 if log else max(abs(float(centres[0])) * 0.05, 0.05)
        edges = np.array([centres[0] - half, centres[0] + half])
    else:
        middles = (centres[1:] + centres[:-1]) / 2
        first, last = 2 * centres[0] - middles[0], 2 * centres[-1] - middles[-1]
        edges = np.concatenate([[first], middles, [last]])
    return np.exp(edges) if log else edges


def _with_margin(values: Sequence[float]) -> tuple[float, float]:
    margin = 0.04 * (values[-1] - values[0]) or 0.5
    return values[0] - margin, values[-1] + margin


def _sequence(n: int) -> list[Any]:
    """Colours from light to dark, easy to hard, that stay apart in grey."""
    from matplotlib import colormaps

    places = [0.15 + 0.75 * i / max(n - 1, 1) for i in range(n)]
    return [colormaps["cividis_r"](place) for place in places]
