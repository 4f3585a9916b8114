"""What the strata of a sweep are: windows of difficulty, parts between edges, or labels."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

from pacbayes.data.strata import label_order
from pacbayes.data.strata_by_difficulty import check_edges, number
from pacbayes.errors import InputError
from pacbayes.planning.rules import Interval, LabelMixture, Mixture, Rule, Window


def window_rules(windows: Sequence[tuple[float, float]]) -> dict[str, Rule]:
    """A rule for each window of difficulties, both ends included, from the easiest.

    Raises:
        InputError: They are not finite, not in order, or share a difficulty.

    >>> list(window_rules([(3, 4), (5, 7.5)]))
    ['3..4', '5..7.5']
    """
    for (_, high), (low, _) in pairwise(windows):
        if high >= low:
            raise InputError(
                "--windows must go from easy to hard and have no difficulty in common, but one "
                f"ends at {number(high)} and the next begins at {number(low)}."
            )
    return {f"{number(low)}..{number(high)}": Window(low=low, high=high) for low, high in windows}


def edge_rules(edges: Sequence[float]) -> dict[str, Rule]:
    """A rule for each part between edges; a difficulty at an edge belongs to the easier one.

    Raises:
        InputError: The edges are not finite and increasing.

    >>> list(edge_rules([4, 7]))
    ['..4', '4..7', '7..']
    """
    check_edges(edges)
    ends = [-math.inf, *edges, math.inf]
    strata = tuple(
        Interval(name=f"{_end(low)}..{_end(high)}", low=low, high=high)
        for low, high in pairwise(ends)
    )
    return {s.name: Mixture(weights={s.name: 1.0}, strata=strata) for s in strata}


def label_rules(labels: Sequence[str], field: str) -> dict[str, Rule]:
    """A rule for each label of a field.

    Raises:
        InputError: There is none.
    """
    if not labels:
        raise InputError(f"no record of the pool has `{field}`, whose values are the strata.")
    return {
        name: LabelMixture(weights={name: 1.0}, stratum_field=field) for name in label_order(labels)
    }


def describe_rules(rules: Mapping[str, Rule]) -> dict[str, object]:
    """The rules in JSON types."""
    return {name: rule.to_json() for name, rule in rules.items()}


def _end(value: float) -> str:
    return number(value) if math.isfinite(value) else ""
