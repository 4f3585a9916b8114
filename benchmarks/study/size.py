"""How large a study is: what every subject is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from pacbayes.planning.rules import Rule
from pacbayes.sweep.recipe import Recipe
from pacbayes.sweep.strata import window_rules

BASES = ("weak", "strong")


@dataclass(frozen=True, kw_only=True)
class Size:
    """The grid of a study and what it is measured with.

    Attributes:
        windows: Lowest and highest difficulty of each stratum, both included.
        budgets: Independent units of a fine-tune.
        seeds: Seeds of the fine-tunes, each with data of its own.
        n_pool: Units of each stratum to choose training data from.
        n_tests: Held-out units of each stratum.
        n_target: Units of the target, an equal mixture of the strata.
        recipe: How a cell is trained and certified.
        pretraining: What the subject needs to make each base.
    """

    windows: tuple[tuple[int, int], ...]
    budgets: tuple[int, ...]
    seeds: tuple[int, ...]
    n_pool: int
    n_tests: int
    n_target: int
    recipe: Recipe
    pretraining: Mapping[str, Any]

    @property
    def rules(self) -> dict[str, Rule]:
        """The strata by name, from the easiest."""
        return window_rules(self.windows)


class Subject(Protocol):
    """A module that makes base models and data."""

    SIZES: Mapping[str, Size]

    def pretrain(
        self, base: str, size: Size, folder: Path, *, seed: int, log: Callable[[str], None]
    ) -> dict[str, Any]:
        """Write a base model with its tokenizer and return what is to be recorded of it."""

    def write_data(self, size: Size, folder: Path, *, seed: int) -> dict[str, Any]:
        """Write `pool.jsonl`, `tests.jsonl` and `target.jsonl`; return what is to be recorded."""
