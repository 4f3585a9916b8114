"""Multi-step arithmetic problems with a chain-of-thought solution, in the manner of iGSM.

A problem is a dependency graph of quantities over the integers modulo 7. The first quantity is a
constant; each further one applies an operator to an earlier quantity and to a second operand, a
constant or again an earlier quantity, in either order. The solution computes the quantities one
after the other, and the question asks for the last::

    prompt      c=4;f=c+3;a=f@c;a?
    completion  c4;c4+3=f0;c4-f0=a4

Difficulty is the number of operations. The operator ``@`` is the *variant*: ``f@c`` subtracts the
other way round, and the solution writes it as ``c-f``. Problems for pretraining never hold it,
problems for fine-tuning hold at least one.

Problems of one split are independent draws from one distribution. Pretraining and fine-tuning
cannot overlap: a hash of the problem, with ``f@c`` read as ``c-f``, assigns it to one side. That
side is part of what the distribution of fine-tuning and held-out problems is.

Reference: Ye, Xu, Li & Allen-Zhu (2024), *Physics of Language Models: Part 2.1*, for iGSM.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

MODULUS = 7
NAMES = "abcdefghijklmnopqrstuvwxyz"
BASE_OPERATORS = "+-*"
VARIANT_OPERATOR = "@"

LEVELS = {"easy": (3, 4), "medium": (5, 6, 7), "hard": (8, 9, 10)}
"""Numbers of operations of each difficulty level, equally likely within it."""

_BUCKETS = 16
_FINE_TUNING_BUCKETS = 2


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One problem, its reference solution and its difficulty, the number of operations."""

    prompt: str
    completion: str
    difficulty: int

    @property
    def is_variant(self) -> bool:
        """Whether the problem holds the operator that the base model does not know."""
        return VARIANT_OPERATOR in self.prompt

    @property
    def for_fine_tuning(self) -> bool:
        """The side of the split the problem falls on, whatever it was drawn for."""
        known = re.sub(r"(.)@(.)", r"\2-\1", self.prompt)
        digest = hashlib.blake2b(known.encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big") % _BUCKETS < _FINE_TUNING_BUCKETS


def pretraining_problems(rng: random.Random, difficulties: Sequence[int]) -> Iterator[Problem]:
    """Draws problems without the variant operator, forever, off the fine-tuning side."""
    while True:
        problem = _draw(rng, rng.choice(difficulties), BASE_OPERATORS)
        if not problem.for_fine_tuning:
            yield problem


def variant_problems(rng: random.Random, difficulties: Sequence[int]) -> Iterator[Problem]:
    """Draws problems with at least one variant operator, forever, on the fine-tuning side."""
    while True:
        problem = _draw(rng, rng.choice(difficulties), BASE_OPERATORS + VARIANT_OPERATOR)
        if problem.is_variant and problem.for_fine_tuning:
            yield problem


def _draw(rng: random.Random, difficulty: int, operators: str) -> Problem:
    names = rng.sample(NAMES, difficulty + 1)
    values = {names[0]: rng.randrange(MODULUS)}
    statements = [f"{names[0]}={values[names[0]]}"]
    steps = [f"{names[0]}{values[names[0]]}"]
    for name in names[1:]:
        operator = rng.choice(operators)
        operands = [rng.choice(list(values)), _constant_or_name(rng, values)]
        rng.shuffle(operands)
        statements.append(f"{name}={operands[0]}{operator}{operands[1]}")
        if operator == VARIANT_OPERATOR:
            operator = "-"
            operands.reverse()
        a, b = (values[x] if x in values else int(x) for x in operands)
        left, right = (f"{x}{values[x]}" if x in values else x for x in operands)
        values[name] = _apply(operator, a, b)
        steps.append(f"{left}{operator}{right}={name}{values[name]}")
    return Problem(
        prompt=";".join([*statements, f"{names[-1]}?"]),
        completion=";".join(steps),
        difficulty=difficulty,
    )


def _constant_or_name(rng: random.Random, values: dict[str, int]) -> str:
    return rng.choice(list(values)) if rng.random() < 0.5 else str(rng.randrange(MODULUS))


def _apply(operator: str, a: int, b: int) -> int:
    result = {"+": a + b, "-": a - b, "*": a * b}[operator]
    return result % MODULUS
