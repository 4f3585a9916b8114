"""What a sweep would cost, before it is made."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any

import numpy as np
import torch

from pacbayes.data.records import read_jsonl
from pacbayes.models.loading import context_of
from pacbayes.settings import Settings
from pacbayes.sweep.cell import Study
from pacbayes.sweep.cells import Cell
from pacbayes.sweep.fine_tune import batch_of, open_trainable, read_examples

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
    steps = trained = scored = 0
    for cell in cells:
        records = round(cell.budget * _records_per_unit(study, cell))
        of_cell = recipe.steps_for(records)
        steps += of_cell
        trained += of_cell * min(recipe.train_batch_size, records)
        searches = SEARCH[recipe.family] if recipe.objective == "plain" else 1
        scored += (recipe.passes + 1) * records + searches * min(records, Settings.pilot)
        scored += n_tests + 2 * target
    seconds = _seconds_an_example(study, cells[0]) if cells else (0.0, 0.0)
    return Price(
        cells=len(cells),
        steps=steps,
        examples_trained=trained,
        examples_scored=scored,
        seconds=trained * seconds[0] + scored * seconds[1],
    )


def _records_per_unit(study: Study, cell: Cell) -> float:
    (candidates,) = study.rule(cell.stratum).candidates(study.pool, seed=0)
    return float(np.bincount(study.pool.units)[candidates.units].mean())


def _seconds_an_example(study: Study, cell: Cell) -> tuple[float, float]:
    """Seconds of training on an example, and of scoring it, each from one batch."""
    (candidates,) = study.rule(cell.stratum).candidates(study.pool, seed=0)
    records = np.flatnonzero(np.isin(study.pool.units, candidates.units))
    model, tokenizer = open_trainable(study.base, study.recipe)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "batch.jsonl"
        few = islice(study.pool.lines_of(records), study.recipe.train_batch_size)
        path.write_bytes(b"".join(few))
        examples = read_examples(path, tokenizer, context_of(model))
    model.to(study.recipe.device)
    batch = {k: v.to(study.recipe.device) for k, v in batch_of(examples).items()}

    def train() -> None:
        model(**batch).loss.backward()

    @torch.inference_mode()
    def score() -> None:
        model(**batch)

    return _seconds(train) / len(examples), _seconds(score) / len(examples)


def _seconds(work: Callable[[], Any]) -> float:
    """Of the second time, as the first one also sets up."""
    for _ in range(2):
        started = time.perf_counter()
        work()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        found = time.perf_counter() - started
    return found
