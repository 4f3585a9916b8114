"""Natural language: putting the spaces back into English phrases, by small character Llamas.

A unit is a phrase of consecutive words of documentation (`prose`), its spaces gone and restored::

    prompt      thecallerholdsthelock=
    completion  the caller holds the lock

Difficulty is the number of words: the length of the answer, the measure of the paper. With every
word there is one more boundary to find and one more chance of a rare word. The loss is whether the
whole phrase comes back, or whatever the recipe says.

The base model reads English and copies, and never sees the task: its texts are phrases, phrases
echoed with spaces and without, and phrases whose spaces are taken out::

    the lock    the lock=the lock    thelock=thelock    the lock-thelock

`weak` is trained on short phrases only, `strong` on all lengths of the study.

**What is drawn from what.** A hash of each sentence keeps pretraining apart from fine-tuning. Every
fine-tuning sentence with a clause that is long enough gives one phrase, of a random length at a
random place, and a phrase that was there before is left out: that finite collection is fixed, and
no two units share a sentence. Pool, tests and target are drawn from it at random without
replacement, and a cell's training data from the pool. A certificate is therefore about the uniform
distribution on the collection's phrases of its stratum; that the draws are without replacement
only concentrates them (Hoeffding 1963, §6), so bounds for independent draws hold. Tests are of
phrases not trained on, whose risk is a little higher than that of the whole collection.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from transformers import PreTrainedTokenizerFast

from benchmarks.study import prose
from benchmarks.study.size import Size
from pacbayes.sample.pretrain import Shape, exact_match, make_model, make_tokenizer, train
from pacbayes.sample.problems import Problem
from pacbayes.sweep.recipe import Recipe

Log = Callable[[str], None]

ECHO = "="
JOIN = "-"
CHARACTERS = "abcdefghijklmnopqrstuvwxyz " + ECHO + JOIN
HELD_OUT = 200
"""Phrases of each length that the accuracies of a base are measured on."""


@dataclass(frozen=True, kw_only=True)
class Pretraining:
    """How a base is made.

    Attributes:
        words: The most in a phrase that it is trained on.
        steps: Gradient steps.
        characters: About so many in each.
        learning_rate: The highest.
        shape: Of the model.
        packages: Whose docstrings are read beside the standard library's.
    """

    words: int
    steps: int
    characters: int
    learning_rate: float
    shape: Shape
    packages: tuple[str, ...]


def _small(words: int) -> Pretraining:
    return Pretraining(
        words=words,
        steps=2000,
        characters=1024,
        learning_rate=5e-3,
        shape=Shape(width=96, layers=4, heads=4),
        packages=("numpy", "scipy", "sympy"),
    )


def _large(words: int) -> Pretraining:
    return Pretraining(
        words=words,
        steps=3000,
        characters=16384,
        learning_rate=3e-3,
        shape=Shape(width=512, layers=8, heads=8),
        packages=prose.PACKAGES,
    )


SIZES = MappingProxyType(
    {
        "cpu": Size(
            windows=((2, 3), (4, 5), (6, 7), (8, 9)),
            budgets=(32, 96, 288, 864, 2592),
            seeds=(0, 1, 2),
            n_pool=3500,
            n_tests=300,
            n_target=800,
            recipe=Recipe(
                objective="bound", kl_weight=0.1, steps=250, learning_rate=5e-3, train_batch_size=16
            ),
            pretraining={"weak": _small(words=4), "strong": _small(words=9)},
        ),
        "cuda": Size(
            windows=((2, 3), (4, 5), (6, 7), (8, 9)),
            budgets=(32, 128, 512, 2048, 6000),
            seeds=(0, 1, 2),
            n_pool=6000,
            n_tests=1000,
            n_target=2000,
            recipe=Recipe(
                objective="bound",
                kl_weight=0.1,
                steps=1000,
                learning_rate=2e-3,
                train_batch_size=64,
                batch_size=256,
                device="cuda",
            ),
            pretraining={"weak": _large(words=4), "strong": _large(words=9)},
        ),
    }
)


def unit_of(phrase: str) -> Problem:
    """The task on a phrase.

    >>> unit_of("the lock").prompt
    'thelock='
    """
    return Problem(
        prompt=joined(phrase) + ECHO, completion=phrase, difficulty=len(phrase.split(" "))
    )


def joined(phrase: str) -> str:
    """A phrase without its spaces."""
    return phrase.replace(" ", "")


def collection_of(size: Size, *, seed: int) -> list[Problem]:
    """All units of the study, one a sentence, as many of each difficulty but for repeats."""
    rng = random.Random(f"{seed}:collection")
    fewest, most = size.windows[0][0], size.windows[-1][1]
    found: dict[str, Problem] = {}
    for sentence in prose.collect(_packages(size)):
        clauses = [c for c in sentence if prose.for_fine_tuning(sentence) and _words(c) >= most]
        if clauses:
            unit = unit_of(_cut(rng.choice(clauses), rng.randint(fewest, most), rng))
            found.setdefault(unit.prompt, unit)
    return list(found.values())


def write_data(size: Size, folder: Path, *, seed: int) -> dict[str, Any]:
    """Write `pool.jsonl`, `tests.jsonl` and `target.jsonl`, an equal mixture of the strata.

    Returns:
        Hash and numbers of the collection, and of the units of each stratum in each file.

    Raises:
        ValueError: The collection is too small for the pool.
    """
    units = collection_of(size, seed=seed)
    random.Random(f"{seed}:files").shuffle(units)
    files: dict[str, list[Problem]] = {"pool": [], "tests": [], "target": []}
    each = size.n_target // len(size.windows)
    for low, high in size.windows:
        inside = [unit for unit in units if low <= unit.difficulty <= high]
        held_out = size.n_tests + each
        if len(inside) < held_out + size.n_pool:
            raise ValueError(f"there are only {len(inside)} phrases of {low} to {high} words.")
        files["tests"] += inside[: size.n_tests]
        files["target"] += inside[size.n_tests : held_out]
        files["pool"] += inside[held_out : held_out + size.n_pool]
    folder.mkdir(parents=True, exist_ok=True)
    for name, chosen in files.items():
        lines = [json.dumps(asdict(unit)) + "\n" for unit in chosen]
        (folder / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")
    sentences = prose.collect(_packages(size))
    return {
        "collection": {
            "sha256": prose.sha256_of(sentences),
            "sentences": len(sentences),
            "for_fine_tuning": sum(map(prose.for_fine_tuning, sentences)),
            "units": len(units),
        },
        "units": {name: _by_stratum(chosen, size) for name, chosen in files.items()},
    }


def pretrain(base: str, size: Size, folder: Path, *, seed: int, log: Log = print) -> dict[str, Any]:
    """Train a base model from nothing and write it with its tokenizer.

    A step takes phrases of one length, and the longest allowed grows over the first quarter of
    training. On a CPU the result is a function of size, seed, text and versions.

    Args:
        base: `weak` or `strong`.
        size: Of the study.
        folder: Where the model goes.
        seed: Of everything random.
        log: Told the loss now and then.

    Returns:
        Steps, characters, and accuracies by number of words: of each kind of text that
        the base was trained on, and of the task, on phrases of the fine-tuning side.
    """
    how = size.pretraining[base]
    torch.manual_seed(seed)
    tokenizer = make_tokenizer(CHARACTERS)
    model: Any = make_model(tokenizer, how.shape)

    def told(step: int, _: list[Problem], loss: float) -> None:
        if step % 100 == 0:
            log(f"{base} step {step}/{how.steps}: {loss:.4f} nats a character")

    seen = train(
        model.to(size.recipe.device),
        tokenizer,
        _batches(_clauses(size), how, seed),
        steps=how.steps,
        learning_rate=how.learning_rate,
        told=told,
    )
    model.eval()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return {
        "words": how.words,
        "parameters": sum(p.numel() for p in model.parameters()),
        "steps": how.steps,
        "characters": seen,
        "accuracy": accuracies(model, tokenizer, size, seed=seed),
    }


def accuracies(
    model: Any, tokenizer: PreTrainedTokenizerFast, size: Size, *, seed: int
) -> dict[str, dict[str, float]]:
    """Share of phrases that come back whole, by kind of text and number of words."""
    units = collection_of(size, seed=seed)
    random.Random(f"{seed}:accuracies").shuffle(units)
    found: dict[str, dict[str, float]] = {kind: {} for kind in (*_ANSWERS, "task")}
    for words in range(size.windows[0][0], size.windows[-1][1] + 1):
        phrases = [u.completion for u in units if u.difficulty == words]
        phrases = phrases[:HELD_OUT]
        for kind, make in (*_ANSWERS.items(), ("task", unit_of)):
            share = exact_match(model, tokenizer, [make(phrase) for phrase in phrases])
            found[kind][str(words)] = round(share, 4)
    return found


def _echo(phrase: str) -> Problem:
    return Problem(prompt=phrase + ECHO, completion=phrase, difficulty=_words(phrase))


def _joined_echo(phrase: str) -> Problem:
    return _echo(joined(phrase))


def _joining(phrase: str) -> Problem:
    return Problem(prompt=phrase + JOIN, completion=joined(phrase), difficulty=_words(phrase))


_ANSWERS = MappingProxyType({"echo": _echo, "joined echo": _joined_echo, "joining": _joining})
"""Texts of pretraining that have an answer."""


def _texts_of(phrase: str) -> tuple[str, ...]:
    """What the base reads of a phrase, one of these at a time."""
    answered = (make(phrase) for make in _ANSWERS.values())
    return phrase, *(unit.prompt + unit.completion for unit in answered)


def _batches(clauses: Sequence[str], how: Pretraining, seed: int) -> Iterator[list[Problem]]:
    """Texts for one step after the other, all of it to be predicted."""
    rng = random.Random(f"{seed}:pretraining")
    most = how.words
    by_words = {k: [c for c in clauses if _words(c) >= k] for k in range(1, most + 1)}
    for step in range(how.steps):
        longest = min(most, 2 + int(4 * (most - 1) * step / how.steps))
        words = rng.randint(1, longest)
        count = max(8, how.characters // (11 * words + 2))
        phrases = (_cut(rng.choice(by_words[words]), words, rng) for _ in range(count))
        yield [
            Problem(prompt="", completion=rng.choice(_texts_of(phrase)), difficulty=words)
            for phrase in phrases
        ]


def _packages(size: Size) -> tuple[str, ...]:
    """What is read is the same for all bases."""
    (packages,) = {how.packages for how in size.pretraining.values()}
    return packages


def _clauses(size: Size) -> list[str]:
    """All clauses of the pretraining side."""
    sentences = prose.collect(_packages(size))
    return [c for s in sentences if not prose.for_fine_tuning(s) for c in s]


def _cut(clause: str, words: int, rng: random.Random) -> str:
    """So many words of a clause that has as many, from a random place on."""
    parts = clause.split(" ")
    start = rng.randint(0, len(parts) - words)
    return " ".join(parts[start : start + words])


def _words(phrase: str) -> int:
    return phrase.count(" ") + 1


def _by_stratum(units: Sequence[Problem], size: Size) -> dict[str, int]:
    counts = Counter(unit.difficulty for unit in units)
    return {
        name: sum(counts[k] for k in range(low, high + 1))
        for name, (low, high) in zip(size.rules, size.windows, strict=True)
    }
