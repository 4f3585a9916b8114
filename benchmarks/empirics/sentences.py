"""What a report says in sentences, each made from its numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator

from benchmarks.empirics.choices import MIXED
from benchmarks.empirics.comparison import Comparison, Report
from benchmarks.empirics.goals import LEAST_RANK, MOST_EXCESS, best_baseline
from benchmarks.empirics.mechanism import Trend, verdict_of
from benchmarks.empirics.noise import Measure
from benchmarks.empirics.observations import NOT, OPEN, REPRODUCED, Observation


def answer(report: Report) -> str:
    """The observations, the mechanism, the plan and the certificates, a paragraph each."""
    return "\n".join([*observed(report), *mechanism(report), *planned(report), certified(report)])


def observed(report: Report) -> Iterator[str]:
    """Where each of the observations was reproduced, was not, and cannot be told."""
    for key, found in _by_key(report).items():
        yield f"({key}) {found[0][1].statement.capitalize()}: {_listed(found)}."


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
        rank = each.ranks.plan
        enough = "at least" if rank.value >= LEAST_RANK else "below"
        yield (
            f"Plan, {each.study.name}: from pilots at n = {', '.join(map(str, each.pilots))} its "
            f"choice has {cost.value:+.1%} [{cost.low:+.1%}, {cost.high:+.1%}] target risk over "
            f"the best difficulty, a mean over budgets ({within} {MOST_EXCESS:.0%}); "
            f"{_order(baseline.over_plan)} that of the best baseline, {baseline.way} "
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


def summary(report: Report) -> list[str]:
    """The same without intervals, few enough words for the head of a notebook."""
    lines = [f"{line}." for line in _verdicts(report)]
    for rises, what in ((True, "KL rises with difficulty"), (False, "the measured gap falls")):
        found = [
            (each.study.name, verdict_of(_trend(each, rises), rises=rises))
            for each in report.comparisons
        ]
        lines.append(f"Mechanism, {what}: {_by_verdict(found)}.")
    for each in report.comparisons:
        plan, baseline, ranks = each.by_way["plan"], best_baseline(each), each.ranks
        lines.append(
            f"In {each.study.name} the plan's choice from pilots costs "
            f"{_percent(plan.mean_relative.value)} of target risk over the best difficulty"
            f"{_with_mixtures(each)}, the best baseline ({baseline.way}) "
            f"{_percent(baseline.mean_relative.value)}; KL grows as n to the "
            f"{each.mechanism.growth.exponent or math.nan:.2f}; rank correlation with the "
            f"true risk: plan {ranks.plan.value:.2f}, certificate and gap {ranks.bound.value:.2f}, "
            f"certificate alone {ranks.certificate.value:.2f}."
        )
    found = report.violations
    lines.append(
        f"Of {found.certificates} certificates {found.below:.1%} lie below the measured risk on "
        f"their own training distribution; delta is {found.delta:g}."
    )
    return lines


def _with_mixtures(each: Comparison) -> str:
    if MIXED not in each.by_way:
        return ""
    cost = each.by_way[MIXED].mean_relative.value
    return f" ({_percent(cost)} with pilots on mixtures too)"


def _order(over_plan: Measure) -> str:
    """How the plan's excess is to another's."""
    if over_plan.low > 0:
        return "less than"
    return "more than" if over_plan.high < 0 else "not told apart from"


def _trend(each: Comparison, rises: bool) -> Trend:
    return each.mechanism.kl if rises else each.mechanism.gap


def _percent(share: float) -> str:
    return f"{share:.0%}".replace("-0%", "0%")


def _verdicts(report: Report) -> Iterator[str]:
    for key, found in _by_key(report).items():
        named = [(name, observation.verdict) for name, observation in found]
        yield f"({key}) {found[0][1].statement.capitalize()}: {_by_verdict(named)}"


def _by_verdict(found: list[tuple[str, str]]) -> str:
    parts = []
    for verdict in dict.fromkeys(verdict for _, verdict in found):
        where = [name for name, each in found if each == verdict]
        everywhere = len(where) == len(found) > 1
        parts.append(f"{verdict} in {'all' if everywhere else ', '.join(where)}")
    return "; ".join(parts)


def _by_key(report: Report) -> dict[str, list[tuple[str, Observation]]]:
    found: dict[str, list[tuple[str, Observation]]] = {}
    for each in report.comparisons:
        for observation in each.observations:
            found.setdefault(observation.key, []).append((each.study.name, observation))
    for subject, observation in report.stronger_base.items():
        found.setdefault(observation.key, []).append((subject, observation))
    return dict(sorted(found.items()))
