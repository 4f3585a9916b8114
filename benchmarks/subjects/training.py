"""Training the subjects, each model once: a folder that exists is finished."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

from pacbayes.models.loading import NOTES
from pacbayes.sample.fine_tune import Recipe, fine_tune
from pacbayes.sample.problems import Problem

SAMPLE = Path(str(files("pacbayes.sample")))
LLAMA = SAMPLE / "base"
FIRST = 4000
"""Problems of the first half, on which a split prior is trained; the others certify."""


def problems_of(path: Path) -> list[Problem]:
    """The problems of a JSONL file."""
    records = [json.loads(line) for line in path.read_text().splitlines()]
    return [
        Problem(prompt=r["prompt"], completion=r["completion"], difficulty=r["difficulty"])
        for r in records
    ]


def halves(data: Path, out: Path) -> tuple[Path, Path]:
    """The two halves of a JSONL file as files."""
    lines = data.read_text().splitlines(keepends=True)
    found = []
    for name, part in (("first", lines[:FIRST]), ("second", lines[FIRST:])):
        found.append(out / f"{data.stem}.{name}.jsonl")
        found[-1].write_text("".join(part))
    return found[0], found[1]


def once(folder: Path, make: Callable[[Path], None]) -> Path:
    """The folder, made before if it is not there; being interrupted leaves no such folder."""
    if not folder.is_dir():
        print(f"making {folder.name}", flush=True)
        unfinished = folder.with_name(f"{folder.name}.part")
        shutil.rmtree(unfinished, ignore_errors=True)
        make(unfinished)
        unfinished.rename(folder)
    return folder


def load(folder: Path) -> Any:
    """The model of a folder in float32."""
    return AutoModelForCausalLM.from_pretrained(str(folder), dtype=torch.float32).eval()


def tokenizer_of(folder: Path) -> PreTrainedTokenizerFast:
    """The tokenizer of a folder."""
    return PreTrainedTokenizerFast.from_pretrained(str(folder))


def note(folder: Path, sigmas: dict[str, float]) -> None:
    """Writes down the noise that a model learned, if any."""
    if sigmas:
        (folder / NOTES).write_text(json.dumps({"sigma_posterior": sigmas}))


def train_full(folder: Path, start: Path, data: Path, recipe: Recipe, *, seed: int) -> Path:
    """Every weight of the model in `start` trained on the problems of a file."""

    def make(unfinished: Path) -> None:
        model, tokenizer = load(start), tokenizer_of(start)
        sigmas = fine_tune(model, tokenizer, problems_of(data), recipe, seed=seed)
        model.eval().save_pretrained(unfinished)
        tokenizer.save_pretrained(unfinished)
        note(unfinished, sigmas)

    return once(folder, make)
