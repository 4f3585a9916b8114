"""Strata of the certification data: by files, by labels, or by difficulty.

Strata must be a function of the inputs. Edges given by the user must be chosen without looking at
labels or losses. Quantile edges are a function of the sample's difficulties; given those, the
units of a stratum are independent but not identically distributed, and its certificate is about
the risk averaged over the sample's own difficulties (fixed design). The kl bound holds for such
losses too: among independent losses of a given mean risk, identically distributed 0-1 losses have
the largest E exp(n kl) (Hoeffding 1956 and convexity).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from pacbayes.data.duplicates import overlap
from pacbayes.data.records import Record
from pacbayes.data.strata_by_difficulty import (
    difficulties_of,
    number,
    strata_by_edges,
    strata_by_quantiles,
)
from pacbayes.data.units import Stratum, strata_of_names
from pacbayes.errors import InputError

MOST_LEVELS = 100
"""A field with more distinct values is no label but a scale, to be cut at edges or quantiles."""


def cut(
    files: Sequence[Sequence[Record]],
    *,
    k: int | None = None,
    edges: Sequence[float] | None = None,
    levels: str | None = None,
) -> tuple[Stratum, ...]:
    """Cut the data into strata by the one rule that applies.

    Several files are one stratum each. One file is cut by its difficulty if `k`, `edges` or
    `levels` is given, else by the `stratum` field if any record has it, else not at all.

    Args:
        files: The records of each file.
        k: Number of quantile strata.
        edges: Edges between strata, strictly increasing.
        levels: `difficulty`, for a stratum of each distinct one; or the field that `read_jsonl`
            has taken the records' `stratum` from.

    Returns:
        The strata; their units index the records of all files, one file after the other.

    Raises:
        InputError: The rule does not fit the data, or `k`, `edges` or `levels` come with several
            files or with one another.
    """
    given = [
        f"`{name}`"
        for name, rule in (("strata", k), ("strata_edges", edges), ("strata_levels", levels))
        if rule is not None
    ]
    if len(given) > 1:
        raise InputError(f"{' and '.join(given)} are rules of their own; give one of them.")
    if len(files) != 1:
        if given:
            raise InputError("several data files are strata already; cut one file only.")
        return strata_by_file(files)
    if k is not None:
        return strata_by_quantiles(files[0], k)
    if edges is not None:
        return strata_by_edges(files[0], edges)
    if levels == "difficulty":
        return strata_by_levels(files[0])
    if levels is not None or any(record.stratum is not None for record in files[0]):
        return strata_by_field(files[0], levels or "stratum")
    return strata_by_file(files)


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
    return strata_of_names(records, [Path(record.path).stem for record in records], list(path_of))


def _refuse_shared_content(first: Sequence[Record], second: Sequence[Record]) -> None:
    if shared := overlap(first, second):
        a, b = first[shared[0][0]], second[shared[0][1]]
        raise b.error(
            f"the same record as {a.path}:{a.line}; strata must be disjoint "
            f"({len(shared)} such records)."
        )


def strata_by_field(records: Sequence[Record], field: str = "stratum") -> tuple[Stratum, ...]:
    """Cut by the records' `stratum`, one stratum for each label, see `label_order`.

    Args:
        records: The records.
        field: The field that the labels were read from, for messages.

    Raises:
        InputError: A record has no label, there are too many of them, or a group has records in
            two.
    """
    names = []
    for record in records:
        if record.stratum is None:
            raise record.error(f"record without `{field}`, which the strata are cut by.")
        names.append(record.stratum)
    order = list(dict.fromkeys(names))
    if len(order) > MOST_LEVELS:
        raise InputError(
            f"`{field}` has {len(order)} distinct values, more than {MOST_LEVELS} strata; cut a "
            "scale at edges or quantiles.",
            path=records[0].path,
        )
    return strata_of_names(records, names, label_order(order))


def strata_by_levels(records: Sequence[Record]) -> tuple[Stratum, ...]:
    """Make each distinct `difficulty` a stratum, from the easiest.

    Raises:
        InputError: A record has no difficulty, there are too many, or a group has two.
    """
    difficulties = difficulties_of(records)
    levels = sorted(set(difficulties))
    if len(levels) > MOST_LEVELS:
        raise InputError(
            f"`difficulty` has {len(levels)} distinct values, more than {MOST_LEVELS} strata; cut "
            "it at edges or quantiles.",
            path=records[0].path,
        )
    names = [f"difficulty={number(value)}" for value in difficulties]
    return strata_of_names(records, names, [f"difficulty={number(level)}" for level in levels])


def label_order(labels: Sequence[str]) -> list[str]:
    """Return labels with a number in them by that number, if all have one; else as they come.

    >>> label_order(["Level 10", "Level 2"])
    ['Level 2', 'Level 10']
    """
    numbers = [re.findall(r"-?\d+(?:\.\d+)?", label) for label in labels]
    if not all(len(found) == 1 for found in numbers):
        return list(labels)
    value = {label: float(found[0]) for label, found in zip(labels, numbers, strict=True)}
    return sorted(labels, key=lambda label: value[label])
