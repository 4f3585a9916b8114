"""Weights of least predicted target risk, taken only where the fits agree that mixing gains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pacbayes.errors import InputError
from pacbayes.learning_curves import Curves
from pacbayes.planning.mixtures.check import UNCHECKED, MixingCheck
from pacbayes.planning.mixtures.mixing import MixingRule, mixed_risk
from pacbayes.planning.mixtures.simplex import Minimum, checked_weights, minimise_on_simplex

Floats: TypeAlias = NDArray[np.float64]
Interval: TypeAlias = tuple[float, float]

SEARCH_FITS = 200
"""So many of the fits guide the search; what is reported is of all."""


@dataclass(frozen=True, kw_only=True)
class MixtureForecast:
    """A forecast of the best mixture at one budget.

    Attributes:
        budget: Units to train on.
        weights: The recommended share of each stratum.
        predicted_risk: Target risk after training on them, mean over fits.
        predicted_risk_interval: Its quantiles over fits.
        best_single_stratum: The stratum to take if it must be one: of least mean risk.
        single_risk: Mean target risk after training on each stratum alone.
        searched_weights: Those of least mean risk, whether or not they are recommended.
        gain: Mean of risk on the best single stratum less risk at `searched_weights`.
        gain_interval: Its quantiles, both risks taken in the same fit.
        marginal_value: Change of target risk for one more unit of each stratum, at `weights`.
        marginal_value_interval: Its quantiles.
        stationarity_gap: Gap of `searched_weights`, see `simplex.Minimum`.
        rule: Key of `MIXING`.
        statement: The advice in words, with its reason.
    """

    budget: float
    weights: dict[str, float]
    predicted_risk: float
    predicted_risk_interval: Interval
    best_single_stratum: str
    single_risk: dict[str, float]
    searched_weights: dict[str, float]
    gain: float
    gain_interval: Interval
    marginal_value: dict[str, float]
    marginal_value_interval: dict[str, Interval]
    stationarity_gap: float
    rule: MixingRule
    statement: str


def recommend_mixture(
    *,
    curves: Sequence[Curves],
    target_weights: ArrayLike,
    strata: Sequence[str],
    budget: float,
    check: MixingCheck = UNCHECKED,
    level: float = 0.9,
) -> MixtureForecast:
    """Find the mixture of least mean predicted target risk; a forecast.

    It is recommended if its risk is below that of the best single stratum in all but a share
    (1 − level)/2 of the fits, by more than what the rule of mixing missed the runs on mixtures by;
    else that stratum alone is. By the cautious rule and curves of the target alone that is never
    so but where fits disagree on the best stratum: to gain from mixtures takes runs on mixtures,
    or curves of test strata that want different training data.

    Args:
        curves: For each test stratum, fits of its risk after training on each of K strata alone
            (`Curves.at` their difficulties); one entry if the target's risk itself was fitted.
        target_weights: Share of each test stratum in the target; [1] for the target itself.
        strata: Names of the K training strata.
        budget: Units to train on.
        check: How strata add up in a mixture, and how far to trust it: see `check_mixing`.
        level: Of the intervals, in (0, 1).

    Raises:
        InputError: Shapes that do not fit, or an argument outside its domain.
    """
    target = _checked(curves, target_weights, strata, budget, level)
    fits, k, rule = tuple(curves), len(strata), check.rule
    searched = _search(rule, fits, target, budget)
    pure = [mixed_risk(rule, fits, target, row, budget).risk for row in np.eye(k)]
    single = int(np.argmin([risk.mean() for risk in pure]))
    mixed = mixed_risk(rule, fits, target, searched.weights, budget)
    if mixed.risk.mean() >= pure[single].mean():
        # the search saw fewer fits
        searched = replace(searched, weights=np.eye(k)[single])
        mixed = mixed_risk(rule, fits, target, searched.weights, budget)
    gain = pure[single] - mixed.risk
    missed = check.miss * float(mixed.risk.mean())
    gains = check.trusted and central_interval(gain, level)[0] > missed
    weights = searched.weights if gains else np.eye(k)[single]
    chosen = mixed_risk(rule, fits, target, weights, budget)
    marginal = chosen.by_example(weights, budget)
    return MixtureForecast(
        budget=budget,
        weights=_named(strata, weights),
        predicted_risk=float(chosen.risk.mean()),
        predicted_risk_interval=central_interval(chosen.risk, level),
        best_single_stratum=strata[single],
        single_risk=_named(strata, [risk.mean() for risk in pure]),
        searched_weights=_named(strata, searched.weights),
        gain=float(gain.mean()),
        gain_interval=central_interval(gain, level),
        marginal_value=_named(strata, marginal.mean(axis=0)),
        marginal_value_interval={
            name: central_interval(column, level)
            for name, column in zip(strata, marginal.T, strict=True)
        },
        stationarity_gap=searched.gap,
        rule=rule,
        statement=_statement(strata, searched.weights, single, gain, level, gains, check),
    )


def recommend_mixtures(
    *, budgets: Sequence[float], curves: Sequence[Curves], **arguments: object
) -> tuple[MixtureForecast, ...]:
    """Return `recommend_mixture` at each budget, with the same arguments."""
    return tuple(
        recommend_mixture(curves=curves, budget=budget, **arguments)  # type: ignore[arg-type]
        for budget in budgets
    )


def weights_by_budget(forecasts: Sequence[MixtureForecast]) -> Floats:
    """Return the recommended weights, shape (budgets, strata), for a figure."""
    return np.array([list(forecast.weights.values()) for forecast in forecasts])


def _search(rule: MixingRule, curves: tuple[Curves, ...], target: Floats, budget: float) -> Minimum:
    few = tuple(_thinned(each) for each in curves)
    k = len(curves[0].difficulties)

    def mean(weights: Floats) -> tuple[float, Floats]:
        found = mixed_risk(rule, few, target, weights, budget)
        return float(found.risk.mean()), found.by_weight.mean(axis=0)

    corners = np.eye(k)
    best = sorted(corners, key=lambda corner: mean(corner)[0])
    # halfway to the centre of all, and of the two best strata: a corner itself may be a local best
    middle = np.full(k, 1 / k)
    starts = [*best, middle, *((row + middle) / 2 for row in best[:2])]
    if k > 1:
        starts.append((best[0] + best[1]) / 2)
    return minimise_on_simplex(mean, starts)


def _thinned(curves: Curves) -> Curves:
    step = -(-len(curves) // SEARCH_FITS)
    return replace(
        curves,
        asymptote=curves.asymptote[::step],
        scale=curves.scale[::step],
        exponent=curves.exponent[::step],
        base_risk=curves.base_risk[::step],
    )


def central_interval(values: Floats, level: float) -> Interval:
    """Return the quantiles that leave (1 − level)/2 of the values out on either side."""
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _named(strata: Sequence[str], values: ArrayLike) -> dict[str, float]:
    return dict(zip(strata, np.asarray(values, float).tolist(), strict=True))


def in_words(strata: Sequence[str], weights: Floats) -> str:
    """Return weights such as `70 % easy, 30 % hard`, the largest first."""
    order = np.argsort(-weights, kind="stable")
    return ", ".join(f"{weights[i]:.0%} {strata[i]}" for i in order if weights[i] > 0)


def _statement(
    strata: Sequence[str],
    searched: Floats,
    single: int,
    gain: Floats,
    level: float,
    gains: bool,
    check: MixingCheck,
) -> str:
    name, (low, high) = strata[single], central_interval(gain, level)
    if searched[single] == 1:
        return f"No mixture is predicted to do better than {name} alone."
    predicted = (
        f"{in_words(strata, searched)} is predicted to lower the risk of {name} alone by "
        f"{gain.mean():.4f} ({level:.0%} interval {low:.4f} to {high:.4f})"
    )
    if gains:
        return f"{predicted}: train on this mixture."
    if not check.trusted:
        return f"{predicted}, by a rule that the runs on mixtures contradict: train on {name}."
    if low > 0:
        return (
            f"{predicted}, less than the {check.miss:.1%} by which the runs on mixtures were "
            f"missed: train on {name} alone."
        )
    return f"{predicted}, which is within the noise of the fits: train on {name} alone."


def _checked(
    curves: Sequence[Curves],
    target_weights: ArrayLike,
    strata: Sequence[str],
    budget: float,
    level: float,
) -> Floats:
    if not 0 < level < 1:
        raise InputError(f"`level` must lie in (0, 1), got {level}.")
    if not 0 < budget < np.inf:
        raise InputError(f"`budget` must be positive and finite, got {budget}; it counts units.")
    if len(set(strata)) != len(strata) or not len(strata):
        raise InputError(f"`strata` must be different names, at least one, got {list(strata)}.")
    shapes = {each.asymptote.shape for each in curves}
    if len(shapes) != 1 or next(iter(shapes))[1] != len(strata):
        raise InputError(
            f"`curves` must all have the same fits and a column for each of {len(strata)} strata, "
            f"got shapes {sorted(shapes)}; the usual mistake is curves on a grid of difficulties: "
            "take `Curves.at` the strata's."
        )
    return checked_weights(target_weights, len(curves), "target_weights")
