"""Mixtures of strata that the cells of a study are trained on beside the strata themselves."""

from __future__ import annotations

import math
from collections.abc import Sequence

PRACTICE = (
    (2_000, "practice_small", (0.35, 0.50, 0.15, 0.00)),
    (10_000, "practice_medium", (0.25, 0.50, 0.20, 0.05)),
    (math.inf, "practice_large", (0.20, 0.50, 0.25, 0.05)),
)
"""What practitioners mix below so many examples: a name, and shares from easy to hard."""


def mixtures_of(strata: Sequence[str]) -> dict[str, dict[str, float]]:
    """Equal shares of all strata, of all but the hardest, and but the easiest; and of practice.

    Args:
        strata: Four names, from the easiest.

    >>> mixtures_of(["a", "b", "c", "d"])["without_hardest"]["d"]
    0.0
    """
    third = 1 / 3
    shares = {
        "all": (0.25, 0.25, 0.25, 0.25),
        "without_hardest": (third, third, third, 0.0),
        "without_easiest": (0.0, third, third, third),
        **{name: weights for _, name, weights in PRACTICE},
    }
    return {name: dict(zip(strata, weights, strict=True)) for name, weights in shares.items()}


def is_wanted(name: str, budget: int) -> bool:
    """Whether a study has this cell: a mixture of practice belongs to its own budgets.

    >>> [is_wanted("practice_small", n) for n in (1999, 2000)]
    [True, False]
    """
    practice = next(name for below, name, _ in PRACTICE if budget < below)
    return not name.startswith("practice") or name == practice
