"""Full fine-tunes, every weight moved and perturbed: the shipped Llama, or any other base."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from pacbayes.sample.fine_tune import Recipe
from subjects.rungs import Rung
from subjects.training import LLAMA, SAMPLE, halves, problems_of, train_full


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A base model, what it is fine-tuned on, and how.

    Attributes:
        name: Of its folders.
        base: Folder of the pretrained model.
        data: JSONL of 8,000 problems, all of them or its halves.
        held_out: JSONL of others from the same distribution.
        plain: Fine-tuning as usual.
        towards_bound: Fine-tuning under noise, with the KL in the loss, on all data.
        towards_half: The same on the first half.
        gently: How the second half then moves it, by little beside its noise.
    """

    name: str
    base: Path
    data: Path
    held_out: Path
    plain: Recipe
    towards_bound: Recipe
    towards_half: Recipe
    gently: Recipe


LLAMA_EASY = Subject(
    name="full",
    base=LLAMA,
    data=SAMPLE / "data" / "easy.jsonl",
    held_out=SAMPLE / "data" / "easy.held_out.jsonl",
    plain=Recipe(epochs=2, towards_bound=False, learning_rate=1e-3),
    towards_bound=Recipe(
        epochs=2, towards_bound=True, learning_rate=3e-4, kl_weight=4.0, initial_sigma=None
    ),
    towards_half=Recipe(
        epochs=4, towards_bound=True, learning_rate=3e-4, kl_weight=1.0, initial_sigma=None
    ),
    gently=Recipe(epochs=1, towards_bound=False, learning_rate=3e-6),
)


def rungs(subject: Subject, out: Path) -> list[Rung]:
    """The ladder of a full fine-tune, which has no gauge."""
    first, second = halves(subject.data, out)

    def trained(part: str, start: Path, data: Path, recipe: Recipe, seed: int) -> Path:
        return train_full(
            out / f"{subject.name}-{part}", start, problems_of(data), recipe, seed=seed
        )

    plain = Rung(
        name="a scale each",
        checkpoint=trained("plain", subject.base, subject.data, subject.plain, 0),
        prior=subject.base,
        data=subject.data,
        held_out=subject.held_out,
    )
    towards = trained("towards", subject.base, subject.data, subject.towards_bound, 0)
    half = trained("first", subject.base, first, subject.towards_half, 0)
    split = Rung(
        name="split prior",
        checkpoint=trained("split", half, second, subject.gently, 1),
        prior=half,
        data=second,
        held_out=subject.held_out,
        prior_data=first,
    )
    alike = {"family": "isotropic", "prior_scale": 0.5}
    return [
        replace(plain, name="one scale", settings={"family": "isotropic"}),
        plain,
        replace(plain, name="optimised", settings={"optimize": 250, "optimize_rate": 0.05}),
        replace(plain, name="trained towards it", checkpoint=towards),
        replace(
            plain,
            name="trained, optimised",
            checkpoint=towards,
            settings={"optimize": 200, "optimize_rate": 0.01},
        ),
        split,
        replace(split, name="split prior, noise alike", settings=alike),
        replace(split, name="the same, 4 passes", settings={**alike, "passes": 4}),
    ]
