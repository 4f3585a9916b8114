"""What a report says in sentences, each made from its numbers."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.empirics.comparison import Report
from benchmarks.empirics.goals import LEAST_RANK, MOST_EXCESS, best_baseline
from benchmarks.empirics.mechanism import verdict_of
from benchmarks.empirics.observations import NOT, OPEN, REPRODUCED, Observation


def answer(report: Report) -> str:
    """The observations, the mechanism, the plan and the certificates, a paragraph each."""
    return "\n".join([*observed(report), *mechanism(report), *planned(report), certified(report)])


def observed(report: Report) -> Iterator[str]:
    """Where each of the observations was reproduced, was not, and cannot be told."""
    found: dict[str, list[tuple[str, Observation]]] = {}
    for each in report.comparisons:
        for observation in each.observations:
            found.setdefault(observation.key, []).append((each.study.name, observation))
    for subject, observation in report.stronger_base.items():
        found.setdefault(observation.key, []).append((subject, observation))
    for key in sorted(found):
        where = _listed(found[key])
        yield f"({key}) {found[key][0][1].statement.capitalize()}: {where}."


def mechanism(report: Report) -> Iterator[str]:
    """Whether KL rises with difficulty and the gap falls."""
    for each in report.comparisons:
        found = each.mechanism
        yield (
            f"Mechanism, {each.study.name}: that KL rises with difficulty "
            f"{verdict_of(found.kl, rises=True)} (rank correlation {found.kl.rank}); that the "
            f"measured gap falls {verdict_of(found.gap, rises=False)} ({found.gap.rank}). "
            f"{found.growth.statement}"
        )


def planned(report: Report) -> Iterator[str]:
    """What the plan's choice costs, beside the best baseline, and how it orders the cells."""
    for each in report.comparisons:
        plan, baseline = each.by_way["plan"], best_baseline(each)
        cost = plan.mean_relative
        within = "within" if cost.value <= MOST_EXCESS else "above"
        ahead = baseline.over_plan
        order = "less than" if ahead.low > 0 else "more than" if ahead.high < 0 else "not told from"
        rank = each.ranks.plan
        enough = "at least" if rank.value >= LEAST_RANK else "below"
        yield (
            f"Plan, {each.study.name}: from pilots at n = {', '.join(map(str, each.pilots))} its "
            f"choice has {cost.value:+.1%} [{cost.low:+.1%}, {cost.high:+.1%}] target risk over "
            f"the best difficulty, a mean over budgets ({within} {MOST_EXCESS:.0%}); {order} the "
            f"best baseline, which is {baseline.way} "
            f"({baseline.mean_relative.value:+.1%}). Its predictions have rank correlation {rank} "
            f"with the true risk ({enough} {LEAST_RANK:g}), certificate plus gap "
            f"{each.ranks.bound}, the certificate alone {each.ranks.certificate}."
        )


def certified(report: Report) -> str:
    """How many certificates the measured risks contradict."""
    found = report.violations
    allowed = "at most" if found.below <= found.delta else "more than"
    return (
        f"Certificates: {found.below:.2%} of {found.certificates} lie below the measured risk of "
        f"the same predictor on its own training distribution, {allowed} delta = {found.delta:g}; "
        f"{found.clearly_below:.2%} lie below its {found.level:.0%} lower bound."
    )


def _listed(found: list[tuple[str, Observation]]) -> str:
    parts = []
    for verdict in (REPRODUCED, NOT, OPEN):
        where = [f"{name} ({o.value})" for name, o in found if o.verdict == verdict]
        if where:
            parts.append(f"{verdict} in {', '.join(where)}")
    return "; ".join(parts)
