"""The target: which share of each stratum the model will meet."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pacbayes.data.jsonl import parse_object, read_raw
from pacbayes.data.records import labels_of, sha256_of
from pacbayes.errors import InputError
from pacbayes.plan import StratumInfo, Target
from pacbayes.runs import require_weights

MEASURED = Target(weights={}, path=None, sha256=None, n=None)
"""No strata: each run has its risk on the target measured."""


def parse_target_weights(text: str) -> Target:
    """Return the target of weights written as `easy=.2,hard=.8`.

    Raises:
        InputError: It is not written so, a stratum comes twice, or the weights do not sum to 1.

    >>> parse_target_weights("easy=.2,hard=.8").weights
    {'easy': 0.2, 'hard': 0.8}
    """
    weights: dict[str, float] = {}
    for part in text.split(","):
        name, equals, value = (piece.strip() for piece in part.rpartition("="))
        try:
            weight = float(value)
        except ValueError:
            weight = math.nan
        if not (equals and name and math.isfinite(weight)) or name in weights:
            raise InputError(
                f"`target_weights` must be NAME=SHARE with commas between, such as "
                f"easy=.2,hard=.8, each name once; got {text!r}."
            )
        weights[name] = weight
    require_weights("target_weights", weights)
    return Target(weights=weights, path=None, sha256=None, n=None)


def read_target(path: str | Path, strata: Sequence[StratumInfo]) -> Target:
    """Count the shares of the strata in a target file, which needs no labels.

    A record's stratum is its `stratum` if it has one, else the one whose edges its `difficulty`
    lies between. Records of one `group` are one unit.

    Args:
        path: JSONL, an object a line with `stratum` or `difficulty`, and perhaps `group`.
        strata: What the runs know, from easy to hard.

    Raises:
        InputError: A line cannot be read, has neither or a stratum that no run knows, or a group
            lies in two strata.
    """
    counts: Counter[str] = Counter()
    groups: dict[str, str] = {}
    for line, labels in _labels(path):
        try:
            name = _stratum_of(labels, strata)
            group = labels.get("group")
            if group is not None and groups.setdefault(group, name) != name:
                raise InputError(
                    f"group {group!r} is in stratum {name!r} here and in {groups[group]!r} before; "
                    "a group is one independent unit and must lie in one stratum."
                )
        except InputError as error:
            raise InputError(str(error), path=path, line=line) from error
        if group is None:
            counts[name] += 1
    counts.update(groups.values())
    n = counts.total()
    if not n:
        raise InputError("no records; the file is empty or has only blank lines.", path=path)
    # in the order of the strata
    weights = {s.name: counts[s.name] / n for s in strata if counts[s.name]}
    return Target(weights=weights, path=str(path), sha256=sha256_of(path), n=n)


def _labels(path: str | Path) -> Iterator[tuple[int, dict[str, Any]]]:
    for line, raw in read_raw(path):
        record = parse_object(raw, path, line)
        if record is not None:
            yield line, labels_of(record, path, line)


def _stratum_of(labels: dict[str, Any], strata: Sequence[StratumInfo]) -> str:
    name = labels.get("stratum")
    if name is not None:
        if name not in {stratum.name for stratum in strata}:
            raise InputError(
                f"stratum {name!r} is unknown to the runs, which have "
                f"{', '.join(repr(stratum.name) for stratum in strata)}."
            )
        return str(name)
    value = labels.get("difficulty")
    if value is None:
        raise InputError(
            "a target record needs a `stratum` or a `difficulty`; the usual "
            "mistake is a file that was not scored."
        )
    for stratum in strata:
        if stratum.high is None or value <= stratum.high:
            return stratum.name
    return strata[-1].name
