"""Taking a budget of independent units from candidates, and putting their records in order.

Units are whole: a group is taken or left. Whatever is random is a function of the seed alone, one
number for each unit and one for each record of the order, so the same pool, rule and seed give the
same subset, and with a larger budget a window's subset contains the smaller one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pacbayes.data.pool import Integers, Pool
from pacbayes.errors import InputError

_CHOICE, _ORDER = 0, 1
"""Streams of random numbers, each independent of the other given the seed."""


@dataclass(frozen=True, kw_only=True)
class Candidates:
    """Units of one stratum that may be chosen.

    Attributes:
        name: The stratum.
        weight: Its share of the budget.
        units: Their numbers, those to be taken first in front.
    """

    name: str
    weight: float
    units: Integers


@dataclass(frozen=True, kw_only=True)
class Share:
    """What one stratum supplied.

    Attributes:
        name: The stratum.
        weight: Its share of the budget.
        wanted: Units that the budget asks of it.
        available: Units that it has.
        units: The units taken, at most `wanted`.
    """

    name: str
    weight: float
    wanted: int
    available: int
    units: Integers


def shuffled_units(pool: Pool, units: Integers, *, seed: int) -> Integers:
    """Return some units in random order, the same two in the same order whatever the others."""
    keys = np.random.default_rng([seed, _CHOICE]).random(pool.n_units)
    shuffled: Integers = units[np.argsort(keys[units], kind="stable")]
    return shuffled


def apportion(budget: int, weights: Sequence[float]) -> tuple[int, ...]:
    """Return whole numbers that sum to the budget and are nearest to its shares.

    By largest remainders (Hamilton's method), the first of equal ones being served first.

    >>> apportion(10, [1 / 3, 1 / 3, 1 / 3])
    (4, 3, 3)
    """
    shares = [budget * weight for weight in weights]
    whole = [math.floor(share) for share in shares]
    order = sorted(range(len(shares)), key=lambda i: whole[i] - shares[i])
    for i in order[: budget - sum(whole)]:
        whole[i] += 1
    return tuple(whole)


def choose(
    candidates: Sequence[Candidates], budget: int, *, allow_short: bool = False
) -> tuple[Share, ...]:
    """Take the budget from the candidates, each stratum its share.

    Args:
        candidates: The strata; their weights sum to 1.
        budget: Number of independent units.
        allow_short: Take what there is where a stratum has fewer than its share.

    Raises:
        InputError: The budget is below 1; or a stratum has too few units, or all have none.
    """
    if budget < 1:
        raise InputError(f"the budget must be at least 1, got {budget}.")
    wanted = apportion(budget, [stratum.weight for stratum in candidates])
    shares = tuple(
        Share(
            name=stratum.name,
            weight=stratum.weight,
            wanted=count,
            available=len(stratum.units),
            units=stratum.units[:count],
        )
        for stratum, count in zip(candidates, wanted, strict=True)
    )
    short = [share for share in shares if share.available < share.wanted]
    if short and not allow_short:
        raise InputError(_shortage(shares, short, budget))
    if not any(len(share.units) for share in shares):
        raise InputError("the pool has no unit at all where this rule looks.")
    return shares


def _shortage(shares: Sequence[Share], short: Sequence[Share], budget: int) -> str:
    lacks = "; ".join(f"{s.name!r} has {s.available} of {s.wanted} wanted" for s in short)
    return (
        f"the pool cannot supply {budget} units: {lacks}. At most it can supply "
        f"{_largest_budget(shares)} by this rule; --allow-short takes what there is."
    )


def _largest_budget(shares: Sequence[Share]) -> int:
    """The largest budget that every stratum has its share of."""
    weights = [share.weight for share in shares]
    # a share rounds up by less than one, so the answer is within one unit a stratum of this
    most = min(int((s.available + 1) / s.weight) for s in shares)
    for budget in range(most, 0, -1):
        parts = apportion(budget, weights)
        if all(part <= share.available for part, share in zip(parts, shares, strict=True)):
            return budget
    return 0


def shuffled_records(pool: Pool, units: Integers, *, seed: int) -> Integers:
    """Return the records of some units in random order."""
    chosen = np.zeros(pool.n_units, bool)
    chosen[units] = True
    records = np.flatnonzero(chosen[pool.units])
    keys = np.random.default_rng([seed, _ORDER]).random(pool.n_records)
    shuffled: Integers = records[np.argsort(keys[records], kind="stable")]
    return shuffled
