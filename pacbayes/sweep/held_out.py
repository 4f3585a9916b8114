"""What cells are tested on, and keeping it apart from what they are trained on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pacbayes.data.duplicates import text_of
from pacbayes.data.pool import Integers, Pool
from pacbayes.data.records import Record, read_jsonl
from pacbayes.errors import InputError
from pacbayes.files import write_atomically
from pacbayes.planning.rules import LabelMixture, Rule
from pacbayes.planning.selection import Candidates


@dataclass(frozen=True, kw_only=True)
class Without:
    """A rule of `pacbayes.planning.rules`, certain units of the pool set aside.

    Attributes:
        rule: The rule.
        units: The units that may not be chosen.
    """

    rule: Rule
    units: Integers

    @property
    def stratum_field(self) -> str:
        """See `Rule`."""
        return self.rule.stratum_field

    def check(self, record: Record) -> None:
        """See `Rule`."""
        self.rule.check(record)

    def candidates(self, pool: Pool, *, seed: int) -> tuple[Candidates, ...]:
        """See `Rule`."""
        return tuple(
            Candidates(name=c.name, weight=c.weight, units=c.units[~np.isin(c.units, self.units)])
            for c in self.rule.candidates(pool, seed=seed)
        )

    def to_json(self) -> dict[str, Any]:
        """See `Rule`."""
        return {**self.rule.to_json(), "n_units_set_aside": len(self.units)}


def split_by_hash(pool: Pool, share: float) -> tuple[Integers, Integers]:
    """Set units of a pool aside for tests, by what is written in them.

    A group stays whole, and copies of a record go the same way, whatever else is in the pool and
    in which order.

    Args:
        pool: The pool.
        share: Expected share of the units that is held out, in (0, 1).

    Returns:
        The units held out; and all that may not be trained on, which are those and the units that
        share a text with one of them.

    Raises:
        InputError: The share is out of its range.
    """
    if not 0 < share < 1:
        raise InputError(f"--held-out-share must lie in (0, 1), got {share}.")
    keys = np.zeros(pool.n_units, np.uint64)
    np.add.at(keys, pool.units, pool.texts)  # sums of hashes wrap around, which keeps them uniform
    held_out = np.flatnonzero(keys < np.uint64(share * 2**64))
    theirs = pool.texts[np.isin(pool.units, held_out)]
    return held_out, np.unique(pool.units[np.isin(pool.texts, theirs)])


def apart_from(paths: Sequence[Path]) -> Callable[[Record], None]:
    """A check that a record of the pool is in none of these files, nor another of its group.

    Raises:
        InputError: A file cannot be read.
    """
    records = [record for path in paths for record in read_jsonl(path)]
    texts = {text_of(record): record for record in reversed(records)}
    groups = {record.group: record for record in reversed(records) if record.group is not None}

    def check(record: Record) -> None:
        of_group = None if record.group is None else groups.get(record.group)
        other = texts.get(text_of(record), of_group)
        if other is not None:
            what = "text" if text_of(other) == text_of(record) else f"group {record.group!r}"
            raise record.error(
                f"the same {what} as {other.path}:{other.line}; what the sweep is tested on must "
                "not be in the pool it is trained on."
            )

    return check


def count_tests(pools: Sequence[tuple[Pool, Integers]], rules: Mapping[str, Rule]) -> int:
    """The test units of all strata.

    Args:
        pools: Where test units are: a pool with the numbers of its units.
        rules: The rule of each stratum.

    Raises:
        InputError: A stratum has none.
    """
    total = 0
    for name, rule in rules.items():
        n = sum(len(_wanted(rule, pool, units)) for pool, units in pools)
        if not n:
            raise InputError(f"stratum {name!r} has no units to test on.")
        total += n
    return total


def write_tests(
    pools: Sequence[tuple[Pool, Integers]], rules: Mapping[str, Rule], paths: Mapping[str, Path]
) -> None:
    """Write the test units of each stratum to a file of its own, in the order they come in."""
    for name, rule in rules.items():
        lines = (
            line
            for pool, units in pools
            for line in pool.lines_of(
                np.flatnonzero(np.isin(pool.units, _wanted(rule, pool, units)))
            )
        )
        write_atomically(paths[name], b"".join(lines))


def _wanted(rule: Rule, pool: Pool, units: Integers) -> Integers:
    """The units of a stratum among those given; a label that the pool lacks has none."""
    if isinstance(rule, LabelMixture) and not set(rule.weights) & set(pool.label_names):
        return np.arange(0)
    (candidates,) = rule.candidates(pool, seed=0)
    wanted: Integers = np.intersect1d(candidates.units, units)
    return wanted
