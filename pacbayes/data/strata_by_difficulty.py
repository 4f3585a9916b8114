"""Strata cut by difficulty: at edges, at quantiles, or one for each distinct difficulty.

Equal difficulties are never cut apart, so quantiles may give fewer or less equal strata than were
asked for; `quantile_note` says so.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from itertools import accumulate, pairwise

from pacbayes.data.records import Record
from pacbayes.data.units import Stratum, strata_of_names, units_of
from pacbayes.errors import InputError

_UNEVEN = 1.5
"""From this ratio on to an equal share the sizes of quantile strata are explained."""


def strata_by_quantiles(records: Sequence[Record], k: int) -> tuple[Stratum, ...]:
    """Cut by `difficulty` into at most `k` strata of about equally many units.

    See `quantile_edges`; with fewer than `k` distinct difficulties each is a stratum.

    Raises:
        InputError: `k` is below 1, a record has no difficulty, or a group has records in two
            strata.
    """
    difficulties = difficulties_of(records)
    return strata_by_edges(
        records, quantile_edges([difficulties[unit[0]] for unit in units_of(records)], k)
    )


def quantile_edges(difficulties: Sequence[float], k: int) -> tuple[float, ...]:
    """Return the edges that cut difficulties into `k` parts of about equal count.

    Equal difficulties stay together, each part has at least one, and each edge is the difficulty
    whose cumulative count comes nearest to its share. Fewer than `k` distinct difficulties make as
    many parts.

    Raises:
        InputError: `k` is below 1.

    >>> quantile_edges([1, 1, 1, 2, 3, 4], 3)
    (1, 2)
    >>> quantile_edges([1, 1, 1, 2], 3)
    (1,)
    """
    if k < 1:
        raise InputError(f"`strata` must be at least 1, got {k}.")
    counts = sorted(Counter(difficulties).items())
    k = min(k, len(counts))
    below = list(accumulate(count for _, count in counts))
    chosen = [-1]
    for j in range(1, k):
        # as many values must remain above this edge as there are strata still to come
        candidates = range(chosen[-1] + 1, len(counts) - (k - j))
        chosen.append(min(candidates, key=lambda i: abs(below[i] * k - below[-1] * j)))
    return tuple(counts[i][0] for i in chosen[1:])


def quantile_note(strata: Sequence[Stratum], k: int) -> str | None:
    """Say how many quantile strata came out of `k` and why, or nothing if they are about equal.

    Args:
        strata: What `strata_by_quantiles` gave.
        k: How many were asked for.
    """
    sizes = [stratum.n for stratum in strata]
    listed = ", ".join(map(str, sizes))
    if len(strata) < k:
        return (
            f"{len(strata)} strata of {listed} units, not {k}: there are only {len(strata)} "
            "distinct difficulties, and equal ones are never cut apart."
        )
    share = sum(sizes) / k
    if max(sizes) >= _UNEVEN * share or min(sizes) * _UNEVEN <= share:
        return (
            f"{len(strata)} strata of {listed} units, unequal because many units have the same "
            "difficulty, and equal ones are never cut apart."
        )
    return None


def strata_by_edges(records: Sequence[Record], edges: Sequence[float]) -> tuple[Stratum, ...]:
    """Cut by `difficulty`: a stratum has the difficulties above one edge up to the next, included.

    Raises:
        InputError: The edges are not finite and strictly increasing, a stratum is empty, a record
            has no difficulty, or a group has records in two strata.
    """
    check_edges(edges)
    names = interval_names(edges)
    # the number of edges below a difficulty is the index of its stratum
    places = [sum(edge < value for edge in edges) for value in difficulties_of(records)]
    occupied = set(places)
    for place, name in enumerate(names):
        if place not in occupied:
            raise InputError(
                f"no record in stratum {name!r}; the difficulties lie in "
                f"{_listed(_range(difficulties_of(records)))}."
            )
    return strata_of_names(records, [names[place] for place in places], names)


def check_edges(edges: Sequence[float]) -> None:
    """Raise `InputError` unless the edges are finite and strictly increasing."""
    if not all(map(math.isfinite, edges)) or any(a >= b for a, b in pairwise(edges)):
        raise InputError(
            f"`strata_edges` must be finite and strictly increasing, got {_listed(edges)}."
        )


def difficulties_of(records: Sequence[Record]) -> list[float]:
    """Return the difficulty of each record.

    Raises:
        InputError: A record has none.
    """
    values = []
    for record in records:
        if record.difficulty is None:
            raise record.error(
                "record without `difficulty`, which the strata are cut by; the usual mistake is a "
                "file that was not scored."
            )
        values.append(record.difficulty)
    return values


def interval_names(edges: Sequence[float]) -> list[str]:
    """Return the names of the strata between edges, from the easiest.

    >>> interval_names([4, 7])
    ['difficulty<=4', '4<difficulty<=7', 'difficulty>7']
    """
    if not edges:
        return ["difficulty"]
    inner = [f"{number(a)}<difficulty<={number(b)}" for a, b in pairwise(edges)]
    return [f"difficulty<={number(edges[0])}", *inner, f"difficulty>{number(edges[-1])}"]


def number(value: float) -> str:
    """Return the shortest text of a number, equal for equal numbers; 4.0 is 4."""
    # -0.0 is 0
    return repr(float(value) + 0.0).removesuffix(".0")


def _range(values: Sequence[float]) -> tuple[float, float]:
    return min(values), max(values)


def _listed(values: Sequence[float]) -> str:
    return f"[{', '.join(map(number, values))}]"
