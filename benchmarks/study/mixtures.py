"""Mixtures of strata that the cells of a study are trained on beside the strata themselves."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.empirics.mixes import PRACTITIONER, known_mixtures, practitioner_size

_PRACTICE = "practice_"


def mixtures_of(strata: Sequence[str]) -> dict[str, dict[str, float]]:
    """Equal shares of all strata, of all but the hardest, and but the easiest; and of practice.

    Args:
        strata: Four names, from the easiest.

    >>> mixtures_of(["a", "b", "c", "d"])["without_hardest"]["d"]
    0.0
    """
    shares = known_mixtures(len(strata), budget=1)
    del shares["practitioner"]
    shares |= {_PRACTICE + size: weights for size, weights in PRACTITIONER.items()}
    return {name: dict(zip(strata, weights, strict=True)) for name, weights in shares.items()}


def is_wanted(name: str, budget: int) -> bool:
    """Whether a study has this cell: a mixture of practice belongs to its own budgets.

    >>> [is_wanted("practice_small", n) for n in (1999, 2000)]
    [True, False]
    """
    return not name.startswith(_PRACTICE) or name == _PRACTICE + practitioner_size(budget)
