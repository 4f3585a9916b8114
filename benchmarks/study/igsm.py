"""The iGSM-like subject: arithmetic problems, whose difficulty is the number of operations.

Problems are those of the shipped sample (`pacbayes.sample.problems`). A base model knows ``+``,
``-`` and ``*`` up to some number of operations, the weak one a smaller number than the strong one;
fine-tuning is on problems with the operator ``@``, which neither knows. The target is an equal
mixture of the strata.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from benchmarks.study.size import Size
from pacbayes.sample.build import write_jsonl
from pacbayes.sample.pretrain import LEARNING_RATE, SHIPPED, Shape, exact_match
from pacbayes.sample.pretrain import pretrain as pretrain_model
from pacbayes.sample.problems import Problem, pretraining_problems, variant_problems
from pacbayes.sweep.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class Pretraining:
    """How a base is made.

    Attributes:
        most_operations: Of the problems it sees.
        steps: Gradient steps.
        tokens_per_step: About so many tokens in each.
        learning_rate: The highest.
        shape: Of the model.
    """

    most_operations: int
    steps: int
    tokens_per_step: int = 2048
    learning_rate: float = LEARNING_RATE
    shape: Shape = SHIPPED


SMALL = Shape(width=64, layers=3)
LARGE = Shape(width=512, layers=8, heads=8)

SIZES = MappingProxyType(
    {
        "cpu": Size(
            windows=((2, 2), (3, 3), (4, 4), (5, 5)),
            budgets=(8, 32, 128, 512, 2048),
            seeds=(0, 1, 2),
            n_pool=3000,
            n_tests=500,
            n_target=1200,
            recipe=Recipe(
                objective="bound", kl_weight=0.1, steps=300, learning_rate=5e-3, train_batch_size=16
            ),
            pretraining={
                "weak": Pretraining(most_operations=3, steps=2500, shape=SMALL),
                "strong": Pretraining(most_operations=4, steps=3000, shape=SMALL),
            },
        ),
        "cuda": Size(
            windows=((2, 4), (5, 7), (8, 10), (11, 13)),
            budgets=(128, 512, 2048, 8192, 32768),
            seeds=(0, 1, 2),
            n_pool=40_000,
            n_tests=2000,
            n_target=4000,
            recipe=Recipe(
                objective="bound",
                kl_weight=0.1,
                steps=1000,
                learning_rate=2e-3,
                train_batch_size=64,
                batch_size=512,
                device="cuda",
            ),
            pretraining={
                "weak": Pretraining(
                    most_operations=7, steps=4000, tokens_per_step=8192, shape=LARGE
                ),
                "strong": Pretraining(
                    most_operations=10, steps=4000, tokens_per_step=8192, shape=LARGE
                ),
            },
        ),
    }
)


def pretrain(
    base: str, size: Size, folder: Path, *, seed: int, log: Callable[[str], None]
) -> dict[str, Any]:
    """See `Subject`."""
    how = size.pretraining[base]
    device = size.recipe.device
    model, tokenizer = pretrain_model(
        seed=seed,
        device=device,
        steps=how.steps,
        most_operations=how.most_operations,
        tokens_per_step=how.tokens_per_step,
        learning_rate=how.learning_rate,
        shape=how.shape,
        log=log,
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    known = {}
    for name, (low, high) in zip(size.rules, size.windows, strict=True):
        problems = _take(
            pretraining_problems(random.Random(f"{seed}:known"), range(low, high + 1)), 400
        )
        known[name] = exact_match(model, tokenizer, problems)
    return {
        "most_operations": how.most_operations,
        "steps": how.steps,
        "parameters": sum(p.numel() for p in model.parameters()),
        "exact_match_on_known_operators": known,
    }


def write_data(size: Size, folder: Path, *, seed: int) -> dict[str, Any]:
    """See `Subject`; no problem comes twice, in whatever file."""
    seen: set[str] = set()
    pool, tests, target = [], [], []
    each = size.n_target // len(size.windows)
    for low, high in size.windows:
        stream = _fresh(
            variant_problems(random.Random(f"{seed}:{low}"), range(low, high + 1)), seen
        )
        tests += _take(stream, size.n_tests)
        target += _take(stream, each)
        pool += _take(stream, size.n_pool)
    for name, problems in (("pool", pool), ("tests", tests), ("target", target)):
        write_jsonl(folder / f"{name}.jsonl", problems)
    return {"problems": "pacbayes.sample.problems", "seed": seed}


def _fresh(problems: Iterator[Problem], seen: set[str]) -> Iterator[Problem]:
    for problem in problems:
        if problem.prompt not in seen:
            seen.add(problem.prompt)
            yield problem


def _take(problems: Iterator[Problem], n: int) -> list[Problem]:
    return list(itertools.islice(problems, n))
