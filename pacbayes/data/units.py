"""Independent units, and the strata they make up.

n counts independent units: the records of one `group` are one unit, a record without a group is a
unit of its own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pacbayes.data.records import Record

Unit = tuple[int, ...]
"""The indices of the records of one independent unit."""


@dataclass(frozen=True, kw_only=True)
class Stratum:
    """A named part of the data.

    Attributes:
        name: Name, unique among the strata.
        units: The independent units, each the indices of its records.
    """

    name: str
    units: tuple[Unit, ...]

    @property
    def n(self) -> int:
        """Number of independent units."""
        return len(self.units)

    @property
    def n_records(self) -> int:
        """Number of records."""
        return sum(map(len, self.units))


def units_of(records: Sequence[Record], indices: Iterable[int] | None = None) -> tuple[Unit, ...]:
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


def strata_of_names(
    records: Sequence[Record], names: Sequence[str], order: Sequence[str]
) -> tuple[Stratum, ...]:
    """Return the strata in `order`, given the name of each record's stratum.

    Raises:
        InputError: A group has records in two strata.
    """
    units: dict[str, list[Unit]] = {name: [] for name in order}
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
