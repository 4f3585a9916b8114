"""What a sweep would cost, before it is made."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any

import numpy as np
import torch

from pacbayes.data.records import read_jsonl
from pacbayes.models.loading import context_of
from pacbayes.planning.selection import choose, shuffled_records
from pacbayes.settings import Settings
from pacbayes.sweep.cell import Study
from pacbayes.sweep.cells import Cell
from pacbayes.sweep.fine_tune import (
    batch_of,
    noisy_loss,
    objective_of,
    open_trainable,
    read_examples,
    seeded,
)

SEARCH = MappingProxyType({"isotropic": 10, "per-tensor": 160})
"""Passes over the first units that the choice of the noise took on the shipped sample."""


@dataclass(frozen=True, kw_only=True)
class Price:
    """A forecast of what the cells cost.

    Attributes:
        cells: Number of cells.
        steps: Gradient steps of all of them.
        examples_trained: Records that go through the model in these, forwards and backwards.
        examples_scored: Records that go through it forwards, to certify and to test.
        seconds: The time, from one batch of each kind.
    """

    cells: int
    steps: int
    examples_trained: int
    examples_scored: int
    seconds: float


def price(study: Study, cells: Sequence[Cell], n_tests: int) -> Price:
    """Measure one batch and multiply; nothing stays written.

    Args:
        study: What the cells have in common.
        cells: Those that are to be made.
        n_tests: Units of all tests, which are taken to be a record each.
    """
    recipe = study.recipe
    target = 0 if study.target is None else len(read_jsonl(study.target))
    measured = {name: _seconds_an_example(study, name) for name in {c.stratum for c in cells}}
    steps = trained = scored = 0
    seconds = 0.0
    for cell in cells:
        of_stratum = _records_of_strata(study, cell)
        records = sum(of_stratum)
        of_cell = recipe.steps_for(records)
        searches = SEARCH[recipe.family] if recipe.objective == "plain" else 1
        forwards = (recipe.passes + 1) * records
        forwards += searches * sum(min(part, Settings.pilot) for part in of_stratum)
        forwards += n_tests + target
        both = of_cell * min(recipe.train_batch_size, records)
        steps, trained, scored = steps + of_cell, trained + both, scored + forwards
        training, scoring = measured[cell.stratum]
        seconds += both * training + forwards * scoring
    if cells and not study.base_risk.is_file():
        scored += target
    return Price(
        cells=len(cells),
        steps=steps,
        examples_trained=trained,
        examples_scored=scored,
        seconds=seconds,
    )


def _records_of_strata(study: Study, cell: Cell) -> list[int]:
    """The records that a cell is trained on in each of its strata, about."""
    candidates = study.rule(cell.stratum).candidates(study.pool, seed=0)
    per_unit = np.bincount(study.pool.units)
    return [
        round(len(share.units) * float(per_unit[of_one.units].mean()))
        for share, of_one in zip(choose(candidates, cell.budget), candidates, strict=True)
        if len(share.units)
    ]


def _seconds_an_example(study: Study, stratum: str) -> tuple[float, float]:
    """Seconds of training on an example, and of scoring it, each from one batch."""
    recipe = study.recipe
    with TemporaryDirectory() as folder, seeded(0):
        path = Path(folder) / "batch.jsonl"
        path.write_bytes(_batch(study, stratum))
        model, tokenizer = open_trainable(study.base, recipe)
        examples = read_examples(path, tokenizer, context_of(model))
        objective = objective_of(model, recipe, n=len(examples), seed=0)
    batch = {k: v.to(recipe.device) for k, v in batch_of(examples).items()}

    def train() -> None:
        if objective is None:
            model(**batch).loss.backward()
        else:
            noisy_loss(model, batch, objective, 0.0).backward()

    @torch.inference_mode()
    def score() -> None:
        model(**batch)

    return _seconds(train) / len(examples), _seconds(score) / len(examples)


def _batch(study: Study, stratum: str) -> bytes:
    """A batch of records as those of a stratum or mixture are."""
    size = study.recipe.train_batch_size
    candidates = study.rule(stratum).candidates(study.pool, seed=0)
    units = np.concatenate([s.units for s in choose(candidates, size, allow_short=True)])
    records = shuffled_records(study.pool, units, seed=0)
    return b"".join(study.pool.lines_of(records[:size]))


def _seconds(work: Callable[[], Any]) -> float:
    """Of the second time, as the first one also sets up."""
    for _ in range(2):
        started = time.perf_counter()
        work()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        found = time.perf_counter() - started
    return found
