"""What the runs of a plan cannot tell, and what it takes for granted, in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from pacbayes.plan import BudgetPlan, StratumInfo, Target
from pacbayes.planning.forecast import Forecaster
from pacbayes.planning.mixture_answers import Mixer
from pacbayes.planning.objective import Objective, certificate_objective
from pacbayes.planning.pilots import Pilots

Floats = NDArray[np.float64]

FAR = 16.0
"""Extrapolation in budget beyond which the forecasts were never tried."""


def unknown(
    pilots: Pilots, target: Target, fitted: Forecaster, answers: Sequence[BudgetPlan]
) -> Iterator[str]:
    """Yield what these runs cannot tell, beyond what the fit of the curves says itself."""
    if fitted.growth.exponent is None:
        yield (
            "How KL grows with budget: every difficulty was run at one budget. Bounds at other "
            "budgets take the KL seen there, which is too little if KL grows."
        )
    if pilots.own_risk() is None:
        yield (
            "The extrapolation gap of its own: some runs were not tested on the strata that they "
            "were trained on, so that empirical risk stands for the risk there."
        )
    yield from _objective_of(fitted, answers).warnings
    vacuous = [a.budget for a in answers if a.observed and a.objective.bound >= 1]
    if vacuous:
        yield (
            f"Which difficulty is best from the certificates at {_listed(vacuous)}: the bounds of "
            "all runs there are 1 or more."
        )
    far = [a.budget for a in answers if a.extrapolation > FAR]
    if far:
        yield (
            f"How good the forecast is at {_listed(far)}: more than {FAR:g} times beyond the "
            "runs, where it was never tried."
        )
    below = [a.budget for a in answers if a.budget < pilots.budget.min()]
    if below:
        yield f"How learning starts, at {_listed(below)}: no run had so little data."
    trained = np.unique(pilots.difficulty)
    if any(a.optimal_difficulty.value not in trained for a in answers):
        yield (
            "Whether risk between the difficulties that were run is as low as interpolated. Among "
            f"those that were run the best is {_best_of(trained, fitted, answers)}."
        )
    edge = [a.budget for a in answers if a.optimal_difficulty.value >= fitted.difficulties[-1]]
    if edge:
        yield (
            f"Whether still harder data would be better at {_listed(edge)}: the best difficulty "
            "is the hardest that was run."
        )


def _objective_of(fitted: Forecaster, answers: Sequence[BudgetPlan]) -> Objective:
    """The bound of the mean forecasts, for what speaks against choosing by it."""
    budgets = [answer.budget for answer in answers]
    parts = [answer.by_difficulty for answer in answers]
    return certificate_objective(
        budgets=budgets,
        difficulties=fitted.difficulties,
        empirical_risk=[part.empirical_risk for part in parts],
        kl=[np.median(fitted.kl(budget), axis=0) for budget in budgets],
        extrapolation_gap=[part.extrapolation_gap for part in parts],
        delta=fitted.delta,
    )


def _best_of(trained: Floats, fitted: Forecaster, answers: Sequence[BudgetPlan]) -> str:
    """The difficulty of least predicted risk among some, by ranges of budgets, in words."""
    places = np.searchsorted(fitted.difficulties, trained)
    best = [
        trained[int(np.argmin(np.array(answer.by_difficulty.predicted_risk)[places]))]
        for answer in answers
    ]
    last = [i for i in range(len(best)) if i + 1 == len(best) or best[i + 1] != best[i]]
    return ", ".join(f"{best[i]:.3g} up to budget {answers[i].budget:,}" for i in last)


def _listed(budgets: Sequence[int]) -> str:
    if len(budgets) > 4:
        return f"{len(budgets)} budgets from {budgets[0]:,} to {budgets[-1]:,}"
    return "budget " + ", ".join(f"{budget:,}" for budget in budgets)


def mixing(mixer: Mixer | None) -> Iterator[str]:
    """Yield what advice on mixtures takes for granted, if there is any."""
    if mixer is not None:
        yield f"Mixtures: {mixer.check.statement}"
        yield (
            "Forecast certificates of mixtures take the mean of the strata's KL, each as of a run "
            "of the whole budget on it alone."
        )


def assumptions(
    pilots: Pilots, target: Target, strata: Sequence[StratumInfo], edges_given: bool
) -> Iterator[str]:
    """Yield what the plan takes for granted, beyond what the fit of the curves says itself."""
    yield (
        "Forecast bounds put forecasts of empirical risk and KL into the kl bound, without the "
        "Monte-Carlo part and the price of the prior's scale that certificates pay."
    )
    yield (
        "A run's bound on the target risk fails with probability at most "
        f"{2 * pilots.runs[0].delta:g}: its certificate and its gap each at delta. The least of K "
        f"runs' bounds, and the difficulties that it does not exclude, fail with probability at "
        f"most K times that."
    )
    yield (
        "Where held-out labels of the target are at hand, the measured risk is the tighter number; "
        "the bound tells what it is made of."
    )
    yield "Difficulties between those of the runs are interpolated."
    if np.ptp(pilots.n_target) == 0 and target.weights:
        yield "Test sets that runs share move all difficulties together; intervals ignore that."
    if target.weights and target.n is None:
        yield "The target's shares of the strata are exact, as given."
    if target.path is not None and len(strata) > 1 and not edges_given:
        listed = ", ".join(f"{s.high:g}" for s in strata if s.high is not None)
        yield (
            f"Strata meet midway between their mean difficulties ({listed}), where the target's "
            "records do not name their stratum."
        )
