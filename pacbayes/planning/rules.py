"""Rules by which units of a pool are chosen, each giving the candidates in their order."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol

import numpy as np

from pacbayes.data.pool import Floats, Integers, Pool
from pacbayes.data.records import Record
from pacbayes.data.strata_by_difficulty import check_edges, number
from pacbayes.errors import InputError
from pacbayes.planning.selection import Candidates, shuffled_units

_SUM_ERROR = 1e-6


class Rule(Protocol):
    """Says which units of a pool may be chosen, and which first."""

    @property
    def stratum_field(self) -> str:
        """The field of the records that holds their label."""

    def check(self, record: Record) -> None:
        """Raise `InputError` if the record lacks what the rule looks at."""

    def candidates(self, pool: Pool, *, seed: int) -> tuple[Candidates, ...]:
        """Return the candidates of each stratum, in an order that depends on the seed."""

    def to_json(self) -> dict[str, Any]:
        """Return the rule in JSON types."""


class _ByDifficulty:
    """What rules that look at difficulties have in common."""

    stratum_field = "stratum"

    def check(self, record: Record) -> None:
        """See `Rule`."""
        if record.difficulty is None:
            raise record.error(
                "record without `difficulty`, by which units are chosen; score the pool first "
                "(`pacbayes score`)."
            )


@dataclass(frozen=True, kw_only=True)
class Window(_ByDifficulty):
    """Units with a difficulty from `low` to `high`, in random order.

    Raises:
        InputError: The window is not finite or empty.
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low <= self.high):
            raise InputError(
                "--window must be two finite numbers, the lower one first, got "
                f"{self.low:g} {self.high:g}."
            )

    def candidates(self, pool: Pool, *, seed: int) -> tuple[Candidates, ...]:
        """See `Rule`."""
        difficulties = pool.unit_difficulties
        inside = np.flatnonzero((self.low <= difficulties) & (difficulties <= self.high))
        name = f"{number(self.low)}<=difficulty<={number(self.high)}"
        return (Candidates(name=name, weight=1.0, units=shuffled_units(pool, inside, seed=seed)),)

    def to_json(self) -> dict[str, Any]:
        """See `Rule`."""
        return {"window": [self.low, self.high]}


@dataclass(frozen=True, kw_only=True)
class Nearest(_ByDifficulty):
    """All units, the nearest to a difficulty first, equally near ones in random order.

    How far out the last one is depends on the pool's difficulties: as with quantiles, the chosen
    units are independent given their difficulties.

    Raises:
        InputError: The difficulty is not finite.
    """

    difficulty: float

    def __post_init__(self) -> None:
        if not math.isfinite(self.difficulty):
            raise InputError(f"--difficulty must be finite, got {self.difficulty}.")

    def candidates(self, pool: Pool, *, seed: int) -> tuple[Candidates, ...]:
        """See `Rule`."""
        units = shuffled_units(pool, np.arange(pool.n_units), seed=seed)
        distance = np.abs(pool.unit_difficulties[units] - self.difficulty)
        nearest = units[np.argsort(distance, kind="stable")]
        name = f"nearest to difficulty {number(self.difficulty)}"
        return (Candidates(name=name, weight=1.0, units=nearest),)

    def to_json(self) -> dict[str, Any]:
        """See `Rule`."""
        return {"difficulty": self.difficulty}


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A stratum of difficulties from `low` to `high`, both included, perhaps infinite.

    A difficulty that two strata share belongs to the easier one.
    """

    name: str
    low: float
    high: float


def intervals_between(names: Sequence[str], edges: Sequence[float]) -> tuple[Interval, ...]:
    """Return strata between edges under names of their own, from the easiest.

    Raises:
        InputError: The edges do not increase, or there is not one name more than edges.
    """
    check_edges(edges)
    if len(names) != len(edges) + 1:
        raise InputError(
            f"{len(edges)} edges make {len(edges) + 1} strata, but there are weights for "
            f"{len(names)}; name each, from the easiest up, with weight 0 if it is not wanted."
        )
    bounds = pairwise([-math.inf, *edges, math.inf])
    return tuple(Interval(name=n, low=a, high=b) for n, (a, b) in zip(names, bounds, strict=True))


@dataclass(frozen=True, kw_only=True)
class Mixture(_ByDifficulty):
    """Strata of difficulties by weight, each in random order; a group is placed by its mean.

    Raises:
        InputError: A weight is negative or of no stratum, or they do not sum to 1.
    """

    weights: Mapping[str, float]
    strata: tuple[Interval, ...]

    def __post_init__(self) -> None:
        check_weights(self.weights, [stratum.name for stratum in self.strata])

    def candidates(self, pool: Pool, *, seed: int) -> tuple[Candidates, ...]:
        """See `Rule`."""
        ordered = sorted(self.strata, key=lambda stratum: (stratum.low, stratum.high))
        places = _places(pool.unit_difficulties, ordered)
        return _mixture(pool, places, [stratum.name for stratum in ordered], self.weights, seed)

    def to_json(self) -> dict[str, Any]:
        """See `Rule`; an open end is null."""
        strata = [
            {
                "name": stratum.name,
                "low": stratum.low if math.isfinite(stratum.low) else None,
                "high": stratum.high if math.isfinite(stratum.high) else None,
            }
            for stratum in self.strata
        ]
        return {"weights": dict(self.weights), "strata": strata}


def _places(difficulties: Floats, ordered: Sequence[Interval]) -> Integers:
    """The number of the stratum of each difficulty, -1 if it is in none."""
    places = np.full(len(difficulties), -1)
    # the easiest last, so that a difficulty that two share is the easier one's
    for place, stratum in reversed(list(enumerate(ordered))):
        places[(stratum.low <= difficulties) & (difficulties <= stratum.high)] = place
    return places


@dataclass(frozen=True, kw_only=True)
class LabelMixture:
    """The values of a field by weight, each in random order.

    Raises:
        InputError: A weight is negative, or they do not sum to 1.
    """

    weights: Mapping[str, float]
    stratum_field: str = "stratum"

    def __post_init__(self) -> None:
        check_weights(self.weights)

    def check(self, record: Record) -> None:
        """See `Rule`; a record without label is of no stratum."""

    def candidates(self, pool: Pool, *, seed: int) -> tuple[Candidates, ...]:
        """See `Rule`.

        Raises:
            InputError: A label is not in the pool, or a group has records with two labels.
        """
        _check_names(self.weights, pool.label_names)
        places = np.empty(pool.n_units, np.int64)
        places[pool.units] = pool.labels
        mixed = np.flatnonzero(places[pool.units] != pool.labels)
        if mixed.size:
            raise InputError(
                f"the group of this record also has records with another `{self.stratum_field}`; "
                "a group is one independent unit and must lie in one stratum.",
                path=pool.path,
                line=int(pool.lines[mixed[0]]),
            )
        return _mixture(pool, places, pool.label_names, self.weights, seed)

    def to_json(self) -> dict[str, Any]:
        """See `Rule`."""
        return {"weights": dict(self.weights), "levels": self.stratum_field}


def check_weights(weights: Mapping[str, float], names: Sequence[str] | None = None) -> None:
    """Refuse shares of strata that are no mixture.

    Args:
        weights: The share of each stratum.
        names: The strata that there are, if they are known yet.

    Raises:
        InputError: A weight is negative or of no stratum, or they do not sum to 1.
    """
    for name, weight in weights.items():
        if not 0 <= weight < math.inf:
            raise InputError(f"the weight of stratum {name!r} must be at least 0, got {weight}.")
    total = math.fsum(weights.values())
    if abs(total - 1) > _SUM_ERROR:
        raise InputError(f"the weights of the strata must sum to 1, these sum to {total:g}.")
    if names is not None:
        _check_names(weights, names)


def _check_names(weights: Mapping[str, float], names: Sequence[str]) -> None:
    for name, weight in weights.items():
        if weight > 0 and name not in names:
            raise InputError(
                f"there is no stratum {name!r}; there are {', '.join(map(repr, names)) or 'none'}."
            )


def _mixture(
    pool: Pool, places: Integers, names: Sequence[str], weights: Mapping[str, float], seed: int
) -> tuple[Candidates, ...]:
    total = math.fsum(weights.values())
    return tuple(
        Candidates(
            name=name,
            weight=weights[name] / total,
            units=shuffled_units(pool, np.flatnonzero(places == place), seed=seed),
        )
        for place, name in enumerate(names)
        if weights.get(name, 0.0) > 0
    )
