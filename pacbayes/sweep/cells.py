"""The cells of a sweep: which are wanted, how they are named, what random numbers are theirs."""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass

from pacbayes.errors import InputError

FAILED_FILE = "failed.json"
"""What a cell leaves in its folder that failed."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One fine-tune of a sweep.

    Attributes:
        stratum: Name of the stratum, or mixture of strata, it is trained on.
        budget: Independent units it is trained on.
        seed: The user's seed.
    """

    stratum: str
    budget: int
    seed: int

    @property
    def name(self) -> str:
        """Name of its folder.

        >>> Cell(stratum="3..4", budget=500, seed=0).name
        '3..4-500-0'
        """
        return f"{file_name(self.stratum)}-{self.budget}-{self.seed}"

    def seed_of(self, purpose: str) -> int:
        """A seed below 2³² that is a function of the cell and the purpose alone."""
        text = f"{self.seed}\x1f{self.stratum}\x1f{self.budget}\x1f{purpose}"
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest(), "little")


def file_name(stratum: str) -> str:
    """The name of a stratum with whatever a path could stumble over replaced.

    >>> file_name("Level 3/4")
    'Level_3_4'
    """
    return re.sub(r"[^\w.=+-]", "_", stratum)


def cells_of(
    strata: Sequence[str], budgets: Sequence[int], seeds: Sequence[int]
) -> tuple[Cell, ...]:
    """All cells, the cheap ones first, so that what fails fails early.

    Args:
        strata: Names of strata and of mixtures.
        budgets: Units to train on.
        seeds: The user's seeds.

    Raises:
        InputError: A budget is below 1, a seed negative, or a value comes twice.
    """
    for name, values, least in (("budgets", budgets, 1), ("seeds", seeds, 0)):
        for value in values:
            if value < least:
                raise InputError(f"--{name} must be at least {least}, got {value}.")
        if len(set(values)) < len(values):
            raise InputError(f"--{name} must differ, got {', '.join(map(str, values))}.")
    grid = itertools.product(sorted(budgets), seeds, strata)
    return tuple(Cell(stratum=s, budget=b, seed=seed) for b, seed, s in grid)


def require_own_folders(names: Sequence[str]) -> None:
    """Refuse strata and mixtures that differ only in what file names do not show.

    Raises:
        InputError: Two would have one folder.
    """
    if len(set(map(file_name, names))) < len(names):
        raise InputError(f"the strata {', '.join(map(repr, names))} need folders of one name.")
