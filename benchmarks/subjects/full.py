"""Full fine-tunes, every weight moved and perturbed: the shipped Llama, or any other base."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from pacbayes.sample.fine_tune import Recipe
from subjects.rungs import Rung
from subjects.training import LLAMA, SAMPLE, halves, train_full

PLAINLY = Recipe(epochs=1, towards_bound=False, learning_rate=1e-3)
TOWARDS_BOUND = Recipe(
    epochs=2, towards_bound=True, learning_rate=3e-4, kl_weight=4.0, initial_sigma=None
)
GENTLY = Recipe(epochs=1, towards_bound=False, learning_rate=3e-7)
"""A full model has so many weights that a step of usual size is long beside the noise it bears."""

NOISE_ALIKE = 0.02
"""Noise of a split prior and its posterior relative to each tensor's own size, set beforehand."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A base model and what it is fine-tuned on.

    Attributes:
        name: Of its folders.
        base: Folder of the pretrained model.
        data: JSONL of 8,000 problems.
        held_out: JSONL of others from the same distribution.
    """

    name: str
    base: Path
    data: Path
    held_out: Path


LLAMA_EASY = Subject(
    name="full",
    base=LLAMA,
    data=SAMPLE / "data" / "easy.jsonl",
    held_out=SAMPLE / "data" / "easy.held_out.jsonl",
)


def rungs(subject: Subject, out: Path) -> list[Rung]:
    """The ladder of a full fine-tune, which has no gauge."""
    plain = Rung(
        name="a scale each",
        checkpoint=out / f"{subject.name}-plain",
        prior=subject.base,
        data=subject.data,
        held_out=subject.held_out,
        make=_training(subject, out, "plain", PLAINLY),
    )
    first, second = halves(subject.data, out)
    half, split = out / f"{subject.name}-first", out / f"{subject.name}-split"

    def make_split() -> None:
        train_full(half, subject.base, first, replace(PLAINLY, epochs=2), seed=0)
        train_full(split, half, second, GENTLY, seed=1)

    by_half = Rung(
        name="split prior",
        checkpoint=split,
        prior=half,
        data=second,
        held_out=subject.held_out,
        prior_data=first,
        make=make_split,
    )
    alike = {"family": "isotropic", "prior_scale": NOISE_ALIKE, "passes": 4}
    return [
        replace(plain, name="one scale", settings={"family": "isotropic"}),
        plain,
        replace(plain, name="optimised", settings={"optimize": 150, "optimize_rate": 0.05}),
        replace(
            plain,
            name="trained towards it",
            checkpoint=out / f"{subject.name}-towards",
            make=_training(subject, out, "towards", TOWARDS_BOUND),
        ),
        replace(by_half, settings={"family": "isotropic"}),
        replace(by_half, name="split prior, noise alike", settings=alike),
    ]


def _training(subject: Subject, out: Path, part: str, recipe: Recipe) -> Callable[[], object]:
    folder = out / f"{subject.name}-{part}"
    return partial(train_full, folder, subject.base, subject.data, recipe, seed=0)
