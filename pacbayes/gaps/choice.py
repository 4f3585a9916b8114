"""Which model of the gap to use with what is at hand, and why, in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from numpy.typing import ArrayLike

from pacbayes.errors import InputError
from pacbayes.gaps.gap import Gap
from pacbayes.gaps.held_out import HeldOut
from pacbayes.gaps.measured_on_target import CertifiedRisk
from pacbayes.gaps.pairs import Pairs
from pacbayes.gaps.registry import GAPS


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """Risks predicted by a fitted surface; arguments of `fitted`."""

    target_risk: float
    train_risk: float
    target_replicates: ArrayLike
    train_replicates: ArrayLike
    level: float = 0.9


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What is known of target and training data. All but δ may be missing.

    Attributes:
        delta: Failure probability of whatever is measured.
        train_weights: Weights of the strata in the training data, shape (strata,).
        target_weights: In the target.
        n_target: Units on which the target weights were counted, None if they are known.
        shared_conditionals: Whether the strata are shared by construction.
        difficulties: Of the strata, strictly rising.
        slope: Assumed largest rise of risk per unit of difficulty.
        held_out: Held-out losses of the strata.
        held_out_target: Held-out losses on the target, one entry.
        held_out_train: Held-out losses on the training distribution, one entry, or its certified
            risk.
        predictions: Risks that a fitted surface predicts.
        target_pairs: Pairs of posterior draws on target examples.
        train_pairs: Pairs on held-out training examples.
        joint_error_change: Assumed λ of `disagreement`.
    """

    delta: float = 0.05
    train_weights: ArrayLike | None = None
    target_weights: ArrayLike | None = None
    n_target: int | None = None
    shared_conditionals: bool = False
    difficulties: ArrayLike | None = None
    slope: float | None = None
    held_out: HeldOut | None = None
    held_out_target: HeldOut | None = None
    held_out_train: HeldOut | CertifiedRisk | None = None
    predictions: Predictions | None = None
    target_pairs: Pairs | None = None
    train_pairs: Pairs | None = None
    joint_error_change: float = 0.0


def _strata(given: Evidence) -> dict[str, Any]:
    return {
        "train_weights": given.train_weights,
        "target_weights": given.target_weights,
        "shared_conditionals": given.shared_conditionals,
    }


def _measured_on_target(given: Evidence) -> dict[str, Any] | None:
    if given.held_out_target is None or given.held_out_train is None:
        return None
    return {
        "target": given.held_out_target,
        "train": given.held_out_train,
        "delta": given.delta,
    }


def _measured(given: Evidence) -> dict[str, Any] | None:
    if given.held_out is None or not _weighted(given):
        return None
    return _strata(given) | {
        "held_out": given.held_out,
        "n_target": given.n_target,
        "delta": given.delta,
    }


def _density_ratio(given: Evidence) -> dict[str, Any] | None:
    target, train = given.target_pairs, given.train_pairs
    # with counted weights, or strata that may not be shared, it is no certificate
    certified = given.shared_conditionals and given.n_target is None
    if target is None or train is None or train.joint_errors is None:
        return None
    if not (certified and _weighted(given)):
        return None
    return _strata(given) | {
        "target_pairs": target,
        "train_pairs": train,
        "delta": given.delta,
    }


def _fitted(given: Evidence) -> dict[str, Any] | None:
    return None if given.predictions is None else vars(given.predictions)


def _disagreement(given: Evidence) -> dict[str, Any] | None:
    if given.target_pairs is None or given.train_pairs is None:
        return None
    return {
        "target_pairs": given.target_pairs,
        "train_pairs": given.train_pairs,
        "delta": given.delta,
        "joint_error_change": given.joint_error_change,
    }


def _one_sided_lipschitz(given: Evidence) -> dict[str, Any] | None:
    if given.slope is None or given.difficulties is None or not _weighted(given):
        return None
    return _total(given) | {"difficulties": given.difficulties, "slope": given.slope}


def _total_variation(given: Evidence) -> dict[str, Any] | None:
    return _total(given) if _weighted(given) else None


def _total(given: Evidence) -> dict[str, Any]:
    counted = given.n_target is not None
    return _strata(given) | {
        "n_target": given.n_target,
        "delta": given.delta if counted else None,
    }


def _weighted(given: Evidence) -> bool:
    return given.train_weights is not None and given.target_weights is not None


_ARGUMENTS: Mapping[str, Callable[[Evidence], dict[str, Any] | None]] = MappingProxyType(
    {
        "measured_on_target": _measured_on_target,
        "measured": _measured,
        "density_ratio": _density_ratio,
        "fitted": _fitted,
        "disagreement": _disagreement,
        "one_sided_lipschitz": _one_sided_lipschitz,
        "total_variation": _total_variation,
    }
)

_REASONS: Mapping[str, str] = MappingProxyType(
    {
        "measured_on_target": "held-out labels of the target are at hand: the gap is measured, "
        "without an assumption on strata",
        "measured": "held-out labels of each stratum are at hand: the gap of the mixture is "
        "measured",
        "density_ratio": "unlabelled target data are at hand and the strata are shared by "
        "construction: disagreement and density ratio bound the target risk without an unmeasured "
        "constant",
        "fitted": "runs at several settings are at hand but no held-out labels for this one: the "
        "gap is predicted from a surface fitted to the runs, with its sign",
        "disagreement": "unlabelled target data are at hand, but no target labels: half the "
        "change of disagreement is measured, the change of joint errors is assumed",
        "one_sided_lipschitz": "only the weights of the strata are known, and a slope is assumed: "
        "the bound has a sign and knows the order of difficulties",
        "total_variation": "only the weights of the strata are known: total variation bounds the "
        "gap on both sides but is blind to order, so that it must not choose a difficulty",
    }
)


def choose_gap(given: Evidence) -> Gap:
    """The first model in `GAPS` that the evidence allows, with the reason in words.

    The order is fixed beforehand: certified before forecast and measured before assumed, never by
    comparing intervals, which would have to be paid for. Total variation is last even where it is
    a certificate, as it is blind to order.

    Raises:
        InputError: Nothing is known that a model could use, or it is bad input.

    >>> gap = choose_gap(Evidence(train_weights=[1, 0], target_weights=[0.5, 0.5]))
    >>> gap.model, gap.reason.split(":")[0]
    ('total_variation', 'Chosen automatically, as only the weights of the strata are known')
    """
    for name, arguments_of in _ARGUMENTS.items():
        arguments = arguments_of(given)
        if arguments is not None:
            gap = GAPS[name].function(**arguments)
            return replace(gap, reason=f"Chosen automatically, as {_REASONS[name]}.")
    raise InputError(
        "no model of the gap can be used: give held-out labels of the target or the strata, "
        "predictions from runs, pairs of draws on target examples, or weights of target and "
        "training data."
    )
