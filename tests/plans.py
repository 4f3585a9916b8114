"""A plan made by hand, with every part that a plan can have."""

import math

from pacbayes.plan import (
    BreakEven,
    BudgetPlan,
    ByDifficulty,
    ComparativeStatics,
    GapModel,
    KLGrowth,
    Misspecification,
    Mixture,
    Objective,
    Observed,
    Optimum,
    PhaseDiagram,
    Plan,
    PlanRuns,
    Quantity,
    StratumInfo,
    Target,
)

STRATA = ("easy", "medium", "hard")
GRID = tuple(3.5 + 5.5 * i / 20 for i in range(21))
OBSERVED = (1000, 2000, 4000)


def curves(budget):
    """Target risk and the parts of its bound over the grid, of a smooth invented world."""
    place = [(d - GRID[0]) / (GRID[-1] - GRID[0]) for d in GRID]
    unlearnt = [0.81 / (1 + budget / (500 + 4000 * x)) ** 0.7 for x in place]
    risk = [min(0.98, 0.05 + 0.55 * (1 - x) ** 2 + u) for x, u in zip(place, unlearnt, strict=True)]
    empirical = [0.05 + 0.2 * x for x in place]
    kl_part = [math.sqrt((300 + 900 * x) / (2 * budget)) for x in place]
    gap = [0.45 * (1 - x) - 0.1 * x for x in place]
    return risk, empirical, kl_part, gap


def answer(budget):
    risk, empirical, kl_part, gap = curves(budget)
    bound = [sum(parts) for parts in zip(empirical, kl_part, gap, strict=True)]
    best, least = risk.index(min(risk)), bound.index(min(bound))
    near = tuple(d for d, r in zip(GRID, risk, strict=True) if r < min(risk) + 0.02)
    observed = None
    if budget in OBSERVED:
        observed = tuple(
            Observed(
                difficulty=GRID[i],
                train_weights={name: 1.0},
                base="base",
                seed=0,
                risk_bound=(0.01, min(1.0, empirical[i] + kl_part[i])),
                target_risk=Quantity(
                    value=risk[i], interval=(risk[i] * 0.95, min(1.0, risk[i] * 1.05)),
                    status="estimate",
                ),
                bound=Quantity(value=bound[i], interval=None, status="estimate"),
            )
            for i, name in zip((0, 10, 20), STRATA, strict=True)
        )  # fmt: skip
    hard = min(0.9, 0.1 + 0.2 * math.log10(budget / 500))
    return BudgetPlan(
        budget=budget,
        extrapolation=budget / OBSERVED[-1],
        optimal_difficulty=Optimum(
            value=GRID[best],
            interval=(near[0], near[-1]),
            indistinguishable=near,
            status="forecast",
        ),
        certificate_optimal_difficulty=Optimum(
            value=GRID[least],
            interval=(GRID[least], GRID[least]),
            indistinguishable=(GRID[least],),
            status="estimate" if observed else "forecast",
        ),
        objective=Objective(
            empirical_risk=Quantity(value=empirical[least], interval=None, status="forecast"),
            generalization_gap=Quantity(value=kl_part[least], interval=None, status="forecast"),
            extrapolation_gap=Quantity(
                value=gap[least], interval=(gap[least] - 0.1, gap[least] + 0.1), status="forecast"
            ),
        ),
        predicted_risk=Quantity(
            value=min(risk), interval=(min(risk) * 0.9, min(risk) * 1.1), status="forecast"
        ),
        by_difficulty=ByDifficulty(
            empirical_risk=tuple(empirical),
            generalization_gap=tuple(kl_part),
            extrapolation_gap=tuple(gap),
            predicted_risk=tuple(risk),
            lower=tuple(r * 0.9 for r in risk),
            upper=tuple(min(1.0, r * 1.1) for r in risk),
        ),
        mixture=Mixture(
            weights={"easy": 0.4 * (1 - hard), "medium": 0.6 * (1 - hard), "hard": hard},
            predicted_risk=Quantity(
                value=min(risk) * 0.98, interval=(min(risk) * 0.9, min(risk)), status="forecast"
            ),
            best_single_stratum="medium",
            marginal_value={"easy": -1e-6, "medium": -2e-5, "hard": -1e-5},
            joint_certificate=Quantity(value=0.6, interval=(0.5, 0.7), status="forecast"),
            statement="Train on this mixture.",
        ),
        observed=observed,
    )


def hand_made_plan(budgets=(1000, 2000, 4000, 8000, 16000, 64000)):
    """A plan without misfit, whose optimum moves harder."""
    strengths = (0.1, 0.3, 0.5, 0.7)
    return Plan(
        created="2026-01-01T00:00:00+00:00",
        version="0",
        seed=0,
        loss="exact",
        delta=0.05,
        bases=("base",),
        runs=PlanRuns(number=9, path="runs", sha256="0" * 64),
        target=Target(
            weights={"easy": 0.2, "medium": 0.3, "hard": 0.5}, path=None, sha256=None, n=None
        ),
        strata=(
            StratumInfo(name="easy", difficulty=3.5, low=None, high=4.75),
            StratumInfo(name="medium", difficulty=6.0, low=4.75, high=7.5),
            StratumInfo(name="hard", difficulty=9.0, low=7.5, high=None),
        ),
        difficulties=GRID,
        level=0.9,
        kl_growth=KLGrowth(
            exponent=0.4, interval=(0.3, 0.5), verdict="shift", statement="KL grows as n^0.40."
        ),
        comparative_statics=ComparativeStatics(
            verdict="monotone", statement="The optimal difficulty moves to harder data."
        ),
        misspecification=Misspecification(statistic=5.0, p_value=0.4, warning=None),
        gap=GapModel(
            model="fitted",
            reason="runs at several settings are at hand",
            status="forecast",
            assumption="Risks follow the fitted surface.",
        ),
        budgets=tuple(map(answer, budgets)),
        break_even=(
            BreakEven(
                easier=3.5,
                harder=6.0,
                budget=1500.0,
                interval=(1100.0, None),
                statement="Training at 6 beats 3.5 from a budget of about 1,500.",
            ),
        ),
        phase_diagram=PhaseDiagram(
            budgets=budgets,
            base_strengths=strengths,
            optimal_difficulty=tuple(
                tuple(GRID[min(20, 2 * i + 3 * j)] for i in range(len(budgets)))
                for j in range(len(strengths))
            ),
        ),
        unknown=("Whether seeds scatter: every cell has one run.",),
        assumptions=("Risk follows the fitted curves.",),
    )
