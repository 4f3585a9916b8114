"""Independent units and strata of the certification data.

n counts independent units: the records of one `group` are one unit, a record without a group is a
unit of its own.

Strata must be a function of the inputs. Edges given by the user must be chosen without looking at
labels or losses. Quantile edges are a function of the sample's difficulties; given those, the
units of a stratum are independent but not identically distributed, and its certificate is about
the risk averaged over the sample's own difficulties (fixed design). The kl bound holds for such
losses too: among independent losses of a given mean risk, identically distributed 0-1 losses have
the largest E exp(n kl) (Hoeffding 1956 and convexity).
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path

from pacbayes.data.records import Record
from pacbayes.errors import InputError

_Unit = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Stratum:
    """A named part of the data.

    Attributes:
        name: Name, unique among the strata.
        units: The independent units, each the indices of its records.
    """

    name: str
    units: tuple[_Unit, ...]

    @property
    def n(self) -> int:
        """Number of independent units."""
        return len(self.units)

    @property
    def n_records(self) -> int:
        """Number of records."""
        return sum(map(len, self.units))


def cut(
    files: Sequence[Sequence[Record]],
    *,
    k: int | None = None,
    edges: Sequence[float] | None = None,
) -> tuple[Stratum, ...]:
    """Cut the data into strata by the one rule that applies.

    Several files are one stratum each. One file is cut by its difficulty if `k` or `edges` is
    given, else by the `stratum` field if any record has it, else not at all.

    Args:
        files: The records of each file.
        k: Number of quantile strata.
        edges: Edges between strata, strictly increasing.

    Returns:
        The strata; their units index the records of all files, one file after the other.

    Raises:
        InputError: The rule does not fit the data, or `k` or `edges` come with several files or
            with one another.
    """
    if k is not None and edges is not None:
        raise InputError("`strata` and `strata_edges` both cut by difficulty; give one of them.")
    if len(files) != 1:
        if k is not None or edges is not None:
            raise InputError("several data files are strata already; cut one file by difficulty.")
        return strata_by_file(files)
    if k is not None:
        return strata_by_quantiles(files[0], k)
    if edges is not None:
        return strata_by_edges(files[0], edges)
    if any(record.stratum is not None for record in files[0]):
        return strata_by_field(files[0])
    return strata_by_file(files)


def units_of(records: Sequence[Record], indices: Iterable[int] | None = None) -> tuple[_Unit, ...]:
    """Return the independent units among the records, in order of first appearance.

    Args:
        records: The records.
        indices: Those to consider; all by default.
    """
    units: dict[object, list[int]] = defaultdict(list)
    for i in range(len(records)) if indices is None else indices:
        group = records[i].group
        units[i if group is None else group].append(i)
    return tuple(map(tuple, units.values()))


def strata_by_file(files: Sequence[Sequence[Record]]) -> tuple[Stratum, ...]:
    """Make each file a stratum, named by the stem of its path.

    Raises:
        InputError: Two files have the same stem, a group in common or the same record.
    """
    path_of: dict[str, str] = {}
    for path in (file[0].path for file in files):
        stem = Path(path).stem
        if stem in path_of:
            raise InputError(
                f"strata are named by file, and {path_of[stem]} has the same stem {stem!r}; rename "
                "one (the usual mistake is one file given twice).",
                path=path,
            )
        path_of[stem] = path
    for i, file in enumerate(files):
        for other_file in files[:i]:
            _refuse_shared_content(other_file, file)
    records = [record for file in files for record in file]
    return _strata(records, [Path(record.path).stem for record in records], list(path_of))


def _refuse_shared_content(first: Sequence[Record], second: Sequence[Record]) -> None:
    if shared := overlap(first, second):
        a, b = first[shared[0][0]], second[shared[0][1]]
        raise b.error(
            f"the same record as {a.path}:{a.line}; strata must be disjoint "
            f"({len(shared)} such records)."
        )


def strata_by_field(records: Sequence[Record]) -> tuple[Stratum, ...]:
    """Cut by the `stratum` field, in order of first appearance.

    Raises:
        InputError: A record has no stratum, or a group has records in two.
    """
    names = []
    for record in records:
        if record.stratum is None:
            raise record.error("record without `stratum`, which other records have.")
        names.append(record.stratum)
    return _strata(records, names, list(dict.fromkeys(names)))


def strata_by_quantiles(records: Sequence[Record], k: int) -> tuple[Stratum, ...]:
    """Cut by `difficulty` into `k` strata of about equally many units; see `quantile_edges`.

    Raises:
        InputError: `k` is below 1 or above the number of distinct difficulties, a record has no
            difficulty, or a group has records in two strata.
    """
    difficulties = _difficulties(records)
    return strata_by_edges(
        records, quantile_edges([difficulties[unit[0]] for unit in units_of(records)], k)
    )


def quantile_edges(difficulties: Sequence[float], k: int) -> tuple[float, ...]:
    """Return the `k` - 1 edges that cut difficulties into parts of about equal count.

    Equal difficulties stay together, each part has at least one, and each edge is the difficulty
    whose cumulative count comes nearest to its share.

    Raises:
        InputError: `k` is below 1 or above the number of distinct difficulties.

    >>> quantile_edges([1, 1, 1, 2, 3, 4], 3)
    (1, 2)
    """
    counts = sorted(Counter(difficulties).items())
    if not 1 <= k <= len(counts):
        raise InputError(
            f"`strata` must lie in [1, {len(counts)}], the number of distinct difficulties, got "
            f"{k}; equal difficulties are never split."
        )
    below = list(accumulate(count for _, count in counts))
    chosen = [-1]
    for j in range(1, k):
        # as many values must remain above this edge as there are strata still to come
        candidates = range(chosen[-1] + 1, len(counts) - (k - j))
        chosen.append(min(candidates, key=lambda i: abs(below[i] * k - below[-1] * j)))
    return tuple(counts[i][0] for i in chosen[1:])


def strata_by_edges(records: Sequence[Record], edges: Sequence[float]) -> tuple[Stratum, ...]:
    """Cut by `difficulty`: a stratum has the difficulties above one edge up to the next, included.

    Raises:
        InputError: The edges are not finite and strictly increasing, a stratum is empty, a record
            has no difficulty, or a group has records in two strata.
    """
    if not all(map(math.isfinite, edges)) or any(a >= b for a, b in pairwise(edges)):
        raise InputError(
            f"`strata_edges` must be finite and strictly increasing, got {_listed(edges)}."
        )
    names = _interval_names(edges)
    # the number of edges below a difficulty is the index of its stratum
    places = [sum(edge < value for edge in edges) for value in _difficulties(records)]
    for place, name in enumerate(names):
        if place not in places:
            raise InputError(
                f"no record in stratum {name!r}; the difficulties lie in "
                f"{_listed(_range(_difficulties(records)))}."
            )
    return _strata(records, [names[place] for place in places], names)


def _difficulties(records: Sequence[Record]) -> list[float]:
    values = []
    for record in records:
        if record.difficulty is None:
            raise record.error(
                "record without `difficulty`, which the strata are cut by; the usual mistake is a "
                "file that was not scored."
            )
        values.append(record.difficulty)
    return values


def _range(values: Sequence[float]) -> tuple[float, float]:
    return min(values), max(values)


def _interval_names(edges: Sequence[float]) -> list[str]:
    if not edges:
        return ["difficulty"]
    inner = [f"{_number(a)}<difficulty<={_number(b)}" for a, b in pairwise(edges)]
    return [f"difficulty<={_number(edges[0])}", *inner, f"difficulty>{_number(edges[-1])}"]


def _number(value: float) -> str:
    return repr(float(value)).removesuffix(".0")


def _listed(values: Sequence[float]) -> str:
    return f"[{', '.join(map(_number, values))}]"


def _strata(
    records: Sequence[Record], names: Sequence[str], order: Sequence[str]
) -> tuple[Stratum, ...]:
    """Return the strata in `order`, given the name of each record's stratum."""
    units: dict[str, list[_Unit]] = {name: [] for name in order}
    for unit in units_of(records):
        first = unit[0]
        for i in unit:
            if names[i] != names[first]:
                raise records[i].error(
                    f"group {records[i].group!r} is in stratum {names[i]!r} here and in "
                    f"{names[first]!r} at {records[first].path}:{records[first].line}; a group is "
                    "one independent unit and must lie in one stratum."
                )
        units[names[first]].append(unit)
    return tuple(Stratum(name=name, units=tuple(units[name])) for name in order)


def exact_duplicates(records: Sequence[Record]) -> tuple[tuple[int, ...], ...]:
    """Return the sets of records with the same content that count as different units.

    They are no error, as independent draws may coincide; many of them mean that n is overstated
    and that the copies belong into one `group`.
    """
    same: dict[object, list[int]] = defaultdict(list)
    for i, record in enumerate(records):
        same[record.content].append(i)
    return tuple(tuple(indices) for indices in same.values() if len(units_of(records, indices)) > 1)


def overlap(first: Sequence[Record], second: Sequence[Record]) -> tuple[tuple[int, int], ...]:
    """Return index pairs of records of `second` whose content occurs in `first`, with its place.

    Used to keep strata disjoint, and held-out data apart from certification data.
    """
    place = {record.content: i for i, record in reversed(list(enumerate(first)))}
    return tuple(
        (place[record.content], j) for j, record in enumerate(second) if record.content in place
    )
