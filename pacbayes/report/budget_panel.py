"""What a plan says of one budget, on the page."""

from __future__ import annotations

from pacbayes.decimals import short
from pacbayes.markup import Child, Markup, name_of, table, tag
from pacbayes.plan import BudgetPlan, Optimum, Plan
from pacbayes.report.labels import status_tag, wide
from pacbayes.report.plan_charts import decomposition_chart
from pacbayes.schema import Interval

_PART_NAMES = {
    "empirical_risk": "empirical risk",
    "generalization_gap": "generalization gap",
    "extrapolation_gap": "extrapolation gap",
}


def budget_panel(plan: Plan, answer: BudgetPlan, panel: str) -> Markup:
    """Recommendation, decomposition and runs of one budget, under this identifier."""
    return tag(
        "section",
        tag("h4", f"Budget {answer.budget:,}", id=panel),
        tag(
            "p",
            "The runs have this budget."
            if answer.observed
            else f"{short(answer.extrapolation)} times the largest budget of a run.",
        ),
        _mixture(answer, plan),
        *decomposition_chart(plan, answer),
        wide(f"Parts of the bound at budget {answer.budget:,}", _parts(answer)),
        _observed(answer),
        class_="budget",
        data_units=units(answer),
        data_answer=in_short(answer),
        aria_labelledby=panel,
    )


def units(answer: BudgetPlan) -> str:
    """The budget in words."""
    return f"{answer.budget:,} units"


def in_short(answer: BudgetPlan) -> str:
    """What is said as the slider moves."""
    return (
        f"{units(answer)}: difficulty {short(answer.optimal_difficulty.value)}, target risk "
        f"{answer.predicted_risk.value:.3f} ({answer.predicted_risk.status})"
    )


def _parts(answer: BudgetPlan) -> Markup:
    least = answer.certificate_optimal_difficulty
    parts = answer.objective.parts
    rows: list[list[Child]] = [
        [
            _PART_NAMES[key],
            f"{part.value:.4f}",
            bracketed(part.interval, 4),
            status_tag(part.status),
        ]
        for key, part in parts.items()
    ]
    bound = answer.objective.bound
    rows.append(
        [
            "bound, their sum",
            f"{bound:.4f}" + (" vacuous" if bound >= 1 else ""),
            "",
            status_tag(answer.objective.status),
        ]
    )
    return table(
        f"The bound on the target risk at difficulty {short(least.value)}, where it is least",
        ["part", "value", "interval", "what it is"],
        rows,
        words=(0, 3),
    )


def _mixture(answer: BudgetPlan, plan: Plan) -> list[Markup]:
    best, risk = answer.optimal_difficulty, answer.predicted_risk
    single = tag(
        "p",
        status_tag("forecast"),
        f" Train at difficulty {short(best.value)} ({_same(best)}); target risk "
        f"{risk.value:.4f} {bracketed(risk.interval, 4)}.",
        class_="advice",
    )
    mixture = answer.mixture
    if mixture is None:
        return [single, tag("p", "The runs do not tell the strata apart: no mixture.")]
    names = [stratum.name for stratum in plan.strata if stratum.name in mixture.weights]
    names += sorted(set(mixture.weights) - set(names))
    rows = [
        [
            name_of(name),
            f"{100 * mixture.weights[name]:.1f} %",
            f"{mixture.weights[name] * answer.budget:,.0f}",
            _signed(mixture.marginal_value.get(name)),
        ]
        for name in names
    ]
    columns = ["stratum", "share", "units", "one more example changes the risk by"]
    mixed = mixture.predicted_risk
    caption = ["Recommended mixture ", status_tag("forecast")]
    return [
        single,
        tag(
            "p",
            status_tag(mixed.status),
            f" Or mix the strata: target risk {mixed.value:.4f} {bracketed(mixed.interval, 4)}; "
            "if it must be one stratum, take ",
            name_of(mixture.best_single_stratum),
            f". {mixture.statement}",
            class_="advice",
        ),
        wide(f"Mixture at budget {answer.budget:,}", table(caption, columns, rows)),
        *_joint(answer),
    ]


def _joint(answer: BudgetPlan) -> list[Markup]:
    joint = None if answer.mixture is None else answer.mixture.joint_certificate
    if joint is None:
        return []
    words = f" Bound on the risk on the mixture itself: {joint.value:.4f}"
    return [tag("p", status_tag(joint.status), words, f" {bracketed(joint.interval, 4)}.")]


def _observed(answer: BudgetPlan) -> Markup | None:
    if not answer.observed:
        return None
    rows: list[list[Child]] = [
        [
            short(run.difficulty),
            f"{run.seed}",
            f"{run.risk_bound[1]:.4f}",
            [f"{run.target_risk.value:.4f} ", status_tag(run.target_risk.status)],
            f"{run.bound.value:.4f}",
            status_tag(run.bound.status),
        ]
        for run in answer.observed
    ]
    columns: list[Child] = [
        "difficulty",
        "seed",
        ["bound on its own data ", status_tag("certificate")],
        "measured target risk",
        "bound on the target risk",
        "its kind",
    ]
    return wide(
        f"Runs at budget {answer.budget:,}",
        table("Runs that were made", columns, rows, words=(5,)),
    )


def span(best: Optimum) -> str:
    """The interval of a best difficulty."""
    low, high = best.interval
    return f"[{short(low)}, {short(high)}]"


def _same(best: Optimum) -> str:
    same = best.indistinguishable
    if len(same) == 1:
        return "no other is as good"
    return (
        f"{len(same)} difficulties from {short(same[0])} to {short(same[-1])} cannot be told apart"
    )


def bracketed(interval: Interval | None, digits: int) -> str:
    """An interval, or a dash for none."""
    if interval is None:
        return "–"
    low, high = interval
    return f"[{low:.{digits}f}, {high:.{digits}f}]"


def _signed(value: float | None) -> str:
    return "–" if value is None else f"{value:+.1e}"
