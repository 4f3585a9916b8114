"""What `pacbayes select` chose, the content of `OUT.report.json`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from pacbayes.schema import Document


@dataclass(frozen=True, kw_only=True)
class FileNote:
    """A file: its path, SHA-256, records and independent units."""

    path: str
    sha256: str
    n_records: int
    n_units: int


@dataclass(frozen=True, kw_only=True)
class PlanNote:
    """The plan that was followed: its path and SHA-256."""

    path: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Distribution:
    """How the difficulties of units are distributed; a group has the mean of its records."""

    mean: float
    least: float
    lower_quartile: float
    median: float
    upper_quartile: float
    greatest: float


@dataclass(frozen=True, kw_only=True)
class StratumSupply:
    """What one stratum was asked for and gave.

    Attributes:
        name: The stratum.
        weight: Its share of the budget.
        wanted: Units that the budget asks of it.
        supplied: Units it gave.
        available: Units it has.
        difficulty: Of the units it gave; None without difficulties or without units.
    """

    name: str
    weight: float
    wanted: int
    supplied: int
    available: int
    difficulty: Distribution | None


@dataclass(frozen=True, kw_only=True)
class SelectionReport(Document):
    """What was chosen from a pool.

    Attributes:
        schema: Always `pacbayes.selection/1`.
        created: When, ISO 8601.
        version: Of this package.
        seed: Of the choice and of the order.
        rule: How units were chosen.
        budget: Independent units asked for.
        short: Whether fewer were supplied.
        pool: The file chosen from.
        scoring: How the pool's difficulties were scored, if a report beside it says so.
        plan: The plan followed, if any.
        subset: The file written.
        strata: What each stratum supplied.
        difficulty: Of the chosen units, None without difficulties.
        pool_difficulty: Of all units of the pool.
        n_copies: Chosen records with the text of a record chosen in another unit.
        n_uneven: Chosen groups with records of different difficulty.
    """

    NOUN: ClassVar[str] = "a report of a selection"

    schema: str = "pacbayes.selection/1"
    created: str
    version: str
    seed: int
    rule: dict[str, Any]
    budget: int
    short: bool
    pool: FileNote
    scoring: dict[str, Any] | None
    plan: PlanNote | None
    subset: FileNote
    strata: tuple[StratumSupply, ...]
    difficulty: Distribution | None
    pool_difficulty: Distribution | None
    n_copies: int
    n_uneven: int

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know, a sentence each."""
        notes = []
        if self.short:
            notes.append(f"{self.subset.n_units} units of the {self.budget} that were asked for.")
        if self.n_copies:
            notes.append(
                f"{self.n_copies} chosen records have the text of another unit's; if they are "
                "copies, give them one `group`, as n counts independent units."
            )
        if self.n_uneven:
            notes.append(
                f"{self.n_uneven} chosen groups have records of different difficulty; each was "
                "placed by their mean."
            )
        return tuple(notes)
