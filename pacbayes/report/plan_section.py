"""A plan on the page: every budget has its answer, and a slider shows them one at a time."""

from __future__ import annotations

from collections.abc import Sequence

from pacbayes.decimals import short
from pacbayes.markup import Child, Markup, name_of, table, tag
from pacbayes.plan import BudgetPlan, Optimum, Plan
from pacbayes.report.labels import status_tag, weakest, wide
from pacbayes.report.plan_charts import decomposition_chart, optimum_chart
from pacbayes.schema import Interval

_PART_NAMES = {
    "empirical_risk": "empirical risk",
    "generalization_gap": "generalization gap",
    "extrapolation_gap": "extrapolation gap",
}


def plan_section(plan: Plan, name: str, source: str) -> Markup:
    """All of a plan.

    Args:
        plan: The plan.
        name: Identifier in the page, unique in it.
        source: The file it is from.
    """
    warning = plan.misspecification.warning
    return tag(
        "article",
        tag("h2", plan_title(plan), id=name),
        tag("p", "From ", tag("code", source), ".", class_="source"),
        tag("p", status_tag("forecast"), " ", recommendation(plan), class_="quote"),
        tag("p", tag("strong", "Warning: "), warning, class_="warning") if warning else None,
        tag(
            "p",
            f"From {plan.runs.number} runs of ",
            name_of(plan.bases[0]),
            f" with the {plan.loss} loss; target: ",
            f"{target_words(plan)}.",
        ),
        _sentences("Under which assumptions", plan.assumptions),
        _all_budgets(plan, name),
        _one_budget(plan, name),
        _verdicts(plan),
        _sentences("Break-even budgets", [found.statement for found in plan.break_even]),
        _sentences("What these runs cannot tell", plan.unknown),
        aria_labelledby=name,
    )


def plan_title(plan: Plan) -> str:
    """For which base and loss the plan is."""
    return f"Plan for “{plan.bases[0]}” ({plan.loss} loss)"


def recommendation(plan: Plan) -> str:
    """Where to train at the least and at the largest budget."""
    first, last = plan.budgets[0], plan.budgets[-1]
    level = f"{100 * plan.level:g} % interval"
    sentence = f"With {_advice(first, level)}"
    return f"{sentence}." if first is last else f"{sentence}; with {_advice(last, level)}."


def _advice(answer: BudgetPlan, level: str) -> str:
    best, risk = answer.optimal_difficulty, answer.predicted_risk
    return (
        f"{answer.budget:,} training units, difficulty {short(best.value)} has the least expected "
        f"regret ({level} {_span(best)}), and the target risk is expected to be about {risk.value:.3f}"
    )


def target_words(plan: Plan) -> str:
    """The shares of the strata in the target."""
    weights = plan.target.weights
    shares = [f"{s.name} {weights[s.name]:.3g}" for s in plan.strata if s.name in weights]
    return ", ".join(shares) or "as measured by the runs"


def _sentences(title: str, sentences: Sequence[str]) -> Markup | None:
    if not sentences:
        return None
    return Markup(tag("h3", title) + tag("ul", [tag("li", sentence) for sentence in sentences]))


def _all_budgets(plan: Plan, name: str) -> list[Markup]:
    columns = [
        "budget",
        "beyond the runs",
        "d*(n)",
        "interval",
        "target risk",
        "interval",
        "least bound at",
        "bound",
        "its kind",
    ]
    caption = ["Answers by budget; d*(n) and target risk: ", status_tag("forecast")]
    rows = [_budget_row(answer, f"{name}-{place}") for place, answer in enumerate(plan.budgets)]
    return [
        tag("h3", "Recommended difficulty at every budget"),
        *optimum_chart(plan),
        wide("Answers by budget", table(caption, columns, rows, words=(8,))),
    ]


def _budget_row(answer: BudgetPlan, panel: str) -> list[Child]:
    best, least = answer.optimal_difficulty, answer.certificate_optimal_difficulty
    bound = answer.objective.bound
    return [
        tag("a", f"{answer.budget:,}", href=f"#{panel}"),
        f"{short(answer.extrapolation)}×",
        short(best.value),
        _span(best),
        f"{answer.predicted_risk.value:.3f}",
        _range(answer.predicted_risk.interval, 3),
        short(least.value),
        f"{bound:.3f}" + (" vacuous" if bound >= 1 else ""),
        status_tag(weakest(answer.objective.parts.values())),
    ]


def _one_budget(plan: Plan, name: str) -> list[Markup]:
    slider, last = f"{name}-slider", len(plan.budgets) - 1
    control = tag(
        "div",
        tag("label", "Budget", for_=slider),
        tag(
            "input",
            id=slider,
            type="range",
            min=0,
            max=last,
            step=1,
            value=0,
            aria_valuetext=f"{plan.budgets[0].budget:,} units",
            aria_describedby=f"{slider}-help",
        ),
        tag("output", f"{plan.budgets[0].budget:,} units", for_=slider),
        tag("p", "Arrow keys move it too.", id=f"{slider}-help", class_="note"),
        class_="control",
        hidden=True,
    )
    panels = [_panel(plan, answer, f"{name}-{place}") for place, answer in enumerate(plan.budgets)]
    return [tag("h3", "One budget"), tag("div", control, panels, class_="plan")]


def _panel(plan: Plan, answer: BudgetPlan, panel: str) -> Markup:
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
        data_budget=answer.budget,
        aria_labelledby=panel,
    )


def _parts(answer: BudgetPlan) -> Markup:
    least = answer.certificate_optimal_difficulty
    parts = answer.objective.parts
    rows: list[list[Child]] = [
        [_PART_NAMES[key], f"{part.value:.4f}", _range(part.interval, 4), status_tag(part.status)]
        for key, part in parts.items()
    ]
    bound = answer.objective.bound
    rows.append(
        [
            "bound, their sum",
            f"{bound:.4f}" + (" vacuous" if bound >= 1 else ""),
            "",
            status_tag(weakest(parts.values())),
        ]
    )
    return table(
        [f"The bound on the target risk at difficulty {short(least.value)}, where it is least (a ",
         least.status, ")"],
        ["part", "value", "interval", "what it is"],
        rows,
        words=(0, 3),
    )  # fmt: skip


def _mixture(answer: BudgetPlan, plan: Plan) -> list[Markup]:
    best, risk = answer.optimal_difficulty, answer.predicted_risk
    single = tag(
        "p",
        status_tag("forecast"),
        f" Train at difficulty {short(best.value)} ({_same(best)}); target risk "
        f"{risk.value:.4f} {_range(risk.interval, 4)}.",
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
            f" Or mix the strata: target risk {mixed.value:.4f} {_range(mixed.interval, 4)}; "
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
    return [tag("p", status_tag(joint.status), words, f" {_range(joint.interval, 4)}.")]


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


def _verdicts(plan: Plan) -> list[Markup]:
    fit = plan.misspecification
    calm = "Nothing to test the fit with."
    if fit.p_value is not None:
        calm = f"The runs do not contradict the fitted curves (p = {fit.p_value:.2g})."
    verdicts: list[tuple[str, Child]] = [
        ("KL growth", f"{plan.kl_growth.verdict}. {plan.kl_growth.statement}"),
        (
            "Movement with budget",
            f"{plan.comparative_statics.verdict}. {plan.comparative_statics.statement}",
        ),
        ("Fit", fit.warning or calm),
        (
            "Extrapolation gap",
            [status_tag(plan.gap.status), f" {plan.gap.model}: {plan.gap.reason} ",
             plan.gap.assumption],
        ),
    ]  # fmt: skip
    listed = [tag("div", tag("dt", name), tag("dd", words)) for name, words in verdicts]
    return [tag("h3", "Verdicts"), tag("dl", listed, class_="verdicts")]


def _span(best: Optimum) -> str:
    low, high = best.interval
    return f"[{short(low)}, {short(high)}]"


def _same(best: Optimum) -> str:
    same = best.indistinguishable
    if len(same) == 1:
        return "no other is as good"
    return f"{len(same)} from {short(same[0])} to {short(same[-1])} cannot be told from it"


def _range(interval: Interval | None, digits: int) -> str:
    if interval is None:
        return "–"
    low, high = interval
    return f"[{low:.{digits}f}, {high:.{digits}f}]"


def _signed(value: float | None) -> str:
    return "–" if value is None else f"{value:+.1e}"
