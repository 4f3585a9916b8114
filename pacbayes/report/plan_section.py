"""A plan on the page: every budget has its answer, and a slider shows them one at a time."""

from __future__ import annotations

from collections.abc import Sequence

from pacbayes.decimals import short
from pacbayes.markup import Child, Markup, name_of, table, tag
from pacbayes.plan import BudgetPlan, Plan
from pacbayes.report.budget_panel import bracketed, budget_panel, in_short, span, units
from pacbayes.report.labels import status_tag, wide
from pacbayes.report.plan_charts import optimum_chart


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
        f"regret ({level} {span(best)}), and a target risk of about {risk.value:.3f} is expected"
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
        "interval of d*(n)",
        "target risk",
        "interval of risk",
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
        span(best),
        f"{answer.predicted_risk.value:.3f}",
        bracketed(answer.predicted_risk.interval, 3),
        short(least.value),
        f"{bound:.3f}" + (" vacuous" if bound >= 1 else ""),
        status_tag(answer.objective.status),
    ]


def _one_budget(plan: Plan, name: str) -> list[Markup]:
    slider, last, first = f"{name}-slider", len(plan.budgets) - 1, plan.budgets[0]
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
            aria_valuetext=units(first),
            aria_describedby=f"{slider}-help",
        ),
        tag("output", in_short(first), for_=slider),
        tag("p", "Arrow keys move it too.", id=f"{slider}-help", class_="note"),
        class_="control",
        hidden=True,
    )
    panels = [
        budget_panel(plan, answer, f"{name}-{place}") for place, answer in enumerate(plan.budgets)
    ]
    return [tag("h3", "One budget"), tag("div", control, panels, class_="plan")]


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
