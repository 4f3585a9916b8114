"""All bounds that apply to given numbers, the least first."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pacbayes.bounds._domain import require_delta
from pacbayes.bounds.binomial_tail import require_errors
from pacbayes.bounds.registry import BOUNDS, Bound, lookup

_OTHER_MEANING = frozenset({"disintegrated_kl"})
"""Bounds for which `kl` is another number: only to be had by their own name."""


@dataclass(frozen=True, kw_only=True)
class Ranked:
    """A bound at given numbers.

    Attributes:
        name: Its key in `BOUNDS`.
        upper: The risk is at most this.
        lower: The risk is at least this; None if the theorem has no lower twin.
        event: As in `BOUNDS`: the least of several bounds on one event is free.
        held_out: Whether it takes the sample as held out: there is no KL in it.
    """

    name: str
    upper: float
    lower: float | None
    event: str
    held_out: bool


def rank(
    *, delta: float, constants: Mapping[str, Mapping[str, Any]] | None = None, **data: Any
) -> list[Ranked]:
    """Evaluates every bound for which the arguments suffice, each at δ on its own.

    Args:
        delta: Failure probability of each, in (0, 1). To take the least over K events give δ/K.
        constants: Constants of theorems, which must be fixed before the sample, by the name of the
            bound; names such as `c` and `gamma` mean something else in each.
        data: What the bounds take of the sample, as in their `needs`: at least `empirical_risk`,
            `kl` and `n`, as numbers; losses as sequences.

    Returns:
        PAC-Bayes bounds first, then test-set bounds; in each the least first.

    Raises:
        ValueError: An argument outside its domain, or one that no bound takes.

    >>> rank(empirical_risk=0.02, kl=300.0, n=30000, delta=0.05)[0].name
    'seeger_maurer'
    """
    require_delta(delta)
    constants = constants or {}
    _refuse_unknown(constants, data)
    ranked = [
        _evaluated(name, bound, delta, data | dict(constants.get(name, {})))
        for name, bound in BOUNDS.items()
        if name not in _OTHER_MEANING and _applies(bound, data | dict(constants.get(name, {})))
    ]
    return sorted(ranked, key=lambda row: (row.held_out, row.upper))


DATA = frozenset(
    {
        *("empirical_risk", "kl", "n", "n_errors", "log_prior", "second_moment", "variance"),
        *("excess", "mu", "losses", "counts", "predictable"),
    }
)
"""Arguments that mean the same in every bound; the others are constants of one."""


_SEQUENCES = frozenset({"losses", "counts", "predictable"})


def _refuse_unknown(constants: Mapping[str, Mapping[str, Any]], data: Mapping[str, Any]) -> None:
    for key in data.keys() - DATA:
        raise ValueError(f"No bound takes `{key}` of the sample; constants go by the bound's name.")
    for key in data.keys() - _SEQUENCES:
        if np.ndim(data[key]):
            raise ValueError(f"`{key}` must be one number here; the bounds themselves take arrays.")
    for name, values in constants.items():
        taken = {need.strip("[]") for need in lookup(name).needs} - DATA
        for key in values.keys() - taken:
            takes = ", ".join(sorted(taken)) or "none"
            raise ValueError(f"`{name}` has no constant `{key}`; its constants: {takes}.")


def zero_one(*, n_errors: int, n: int) -> dict[str, Any]:
    """What all bounds take of losses that are 0 or 1, from the number of errors.

    The variance is rounded up.

    Raises:
        ValueError: `n_errors` is no whole number from 0 to n.

    >>> zero_one(n_errors=600, n=30000)["second_moment"]
    0.02
    """
    require_errors(n_errors, n)
    risk = n_errors / n
    known: dict[str, Any] = {
        "n": n,
        "n_errors": n_errors,
        "empirical_risk": risk,
        "second_moment": risk,
        "losses": [0.0, 1.0],
        "counts": [n - n_errors, n_errors],
    }
    if n > 1:
        variance = risk * (n - n_errors) / (n - 1)
        known["variance"] = min(0.5, math.nextafter(variance * (1 + 2.0**-51), 1.0))
    return known


def _applies(bound: Bound, arguments: dict[str, Any]) -> bool:
    # losses with counts are not one entry an example
    counted = "losses" in bound.needs and "counts" in arguments
    return _required(bound) <= arguments.keys() and (not counted or _takes_counts(bound))


def _takes_counts(bound: Bound) -> bool:
    return "counts" in inspect.signature(bound.function).parameters


def _required(bound: Bound) -> set[str]:
    return {need for need in bound.needs if not need.startswith("[")}


def _evaluated(name: str, bound: Bound, delta: float, arguments: dict[str, Any]) -> Ranked:
    optional = {need.strip("[]") for need in bound.needs if need.startswith("[")}
    # constants of a theorem are applied if all those it takes are there
    taken = _required(bound) | (optional if optional <= arguments.keys() else set())
    if _takes_counts(bound):
        taken |= {"counts"} & arguments.keys()
    values = {key: arguments[key] for key in taken}
    return Ranked(
        name=name,
        upper=bound.function(delta=delta, **values),
        lower=None if bound.lower is None else bound.lower(delta=delta, **values),
        event=bound.event,
        held_out=not {"kl", "log_prior"} & taken,
    )
