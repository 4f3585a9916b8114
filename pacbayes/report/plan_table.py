"""A plan as tables for the terminal."""

from __future__ import annotations

from typing import TextIO

from rich.console import Console
from rich.padding import Padding
from rich.table import Table

from pacbayes.plan import BudgetPlan, Optimum, Plan, Quantity
from pacbayes.report.terminal import terminal


def show_plan(plan: Plan, file: TextIO | None = None) -> None:
    """Prints the answers for each budget, the verdicts, and what they rest on.

    Args:
        plan: The plan.
        file: Where to print; stdout by default.
    """
    console = terminal(file)
    weights = ", ".join(f"{name} {share:.3g}" for name, share in plan.target.weights.items())
    console.print(
        f"Plan for base {plan.bases[0]}, {plan.loss} loss, from {plan.runs.number} runs; "
        f"target: {weights or 'as measured'}."
    )
    console.print(
        f"\nTrain at the predicted difficulty (forecast, {_percent(plan.level)} intervals):"
    )
    console.print(_forecasts(plan))
    console.print(
        "\nThe literal guarantee: the difficulty of least bound on the target risk, and its parts."
    )
    console.print(_bounds(plan))
    if any(answer.mixture for answer in plan.budgets):
        console.print("\nMixtures (forecast):")
        console.print(_mixtures(plan))
    if any(answer.observed for answer in plan.budgets):
        console.print("\nObserved:")
        console.print(_observed(plan))
    console.print()
    for name, sentence in _verdicts(plan):
        console.print(f"{name}: {sentence}")
    _list(console, "Break-even budgets", [found.statement for found in plan.break_even])
    _list(console, "These runs cannot tell", plan.unknown)
    _list(console, "Assumptions", plan.assumptions)


def _verdicts(plan: Plan) -> list[tuple[str, str]]:
    fit = plan.misspecification
    calm = "Nothing to test the fit with."
    if fit.p_value is not None:
        calm = f"The runs do not contradict the fitted curves (p = {fit.p_value:.2g})."
    return [
        ("KL growth", f"{plan.kl_growth.verdict}. {plan.kl_growth.statement}"),
        (
            "Movement with budget",
            f"{plan.comparative_statics.verdict}. {plan.comparative_statics.statement}",
        ),
        ("Fit", f"WARNING: {fit.warning}" if fit.warning else calm),
        ("Gap", f"{plan.gap.model}, {plan.gap.status}. {plan.gap.reason} {plan.gap.assumption}"),
    ]


def _list(console: Console, title: str, sentences: list[str] | tuple[str, ...]) -> None:
    if sentences:
        console.print(f"{title}:")
    for sentence in sentences:
        console.print(Padding(sentence, (0, 0, 0, 2)))


def _new_table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        table.add_column(name, justify="right")
    return table


def _forecasts(plan: Plan) -> Table:
    table = _new_table("budget", "beyond runs", "d*", "interval", "not told apart", "target risk")
    for answer in plan.budgets:
        best, risk = answer.optimal_difficulty, answer.predicted_risk
        table.add_row(
            f"{answer.budget:,}",
            f"{answer.extrapolation:.3g}×",
            f"{best.value:.3g}",
            _interval(best.interval),
            _span(best),
            f"{risk.value:.3f} {_interval(risk.interval, 3)}",
        )
    return table


def _bounds(plan: Plan) -> Table:
    table = _new_table(
        "budget", "d*", "bound", "= empirical risk", "+ generalization", "+ extrapolation", "d* is"
    )
    for answer in plan.budgets:
        best, parts = answer.certificate_optimal_difficulty, answer.objective
        bound = parts.bound
        table.add_row(
            f"{answer.budget:,}",
            f"{best.value:.3g}",
            f"{bound:.3f}" + (" vacuous" if bound >= 1 else ""),
            _part(parts.empirical_risk),
            _part(parts.generalization_gap),
            _part(parts.extrapolation_gap),
            best.status,
        )
    return table


def _mixtures(plan: Plan) -> Table:
    names = [stratum.name for stratum in plan.strata]
    table = _new_table(
        "budget", *names, "target risk", "its certificate", "best alone", "one more example"
    )
    for answer in plan.budgets:
        if answer.mixture is not None:
            table.add_row(f"{answer.budget:,}", *_mixture_cells(answer, names))
    return table


def _mixture_cells(answer: BudgetPlan, names: list[str]) -> list[str]:
    mixture = answer.mixture
    assert mixture is not None
    values = mixture.marginal_value
    best = min(values, key=lambda name: values[name])
    risk = mixture.predicted_risk
    return [
        *(f"{mixture.weights.get(name, 0.0):.2f}" for name in names),
        f"{risk.value:.3f} {_interval(risk.interval, 3)}",
        "" if mixture.joint_certificate is None else _part(mixture.joint_certificate),
        mixture.best_single_stratum,
        f"{best} {values[best]:.1e}",
    ]


def _observed(plan: Plan) -> Table:
    table = _new_table(
        "budget", "difficulty", "seed", "risk on its own data", "target risk", "bound on it"
    )
    for answer in plan.budgets:
        for run in answer.observed or ():
            table.add_row(
                f"{answer.budget:,}",
                f"{run.difficulty:.3g}",
                f"{run.seed}",
                f"≤ {run.risk_bound[1]:.3f} certificate",
                f"{run.target_risk.value:.3f} {_interval(run.target_risk.interval, 3)}",
                f"≤ {run.bound.value:.3f} {run.bound.status}",
            )
    return table


def _part(part: Quantity) -> str:
    return f"{part.value:.3f} {part.status}"


def _interval(interval: tuple[float, float] | None, digits: int = 2) -> str:
    if interval is None:
        return ""
    low, high = interval
    return f"[{low:.{digits}f}, {high:.{digits}f}]"


def _span(best: Optimum) -> str:
    same = best.indistinguishable
    return f"{len(same)} from {same[0]:.3g} to {same[-1]:.3g}"


def _percent(level: float) -> str:
    return f"{100 * level:g} %"
