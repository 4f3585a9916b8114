"""Mixtures of strata that the studies train on, beside single strata."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

SMALL, LARGE = 2000, 10000
"""Budgets below the first, above the second, and between them, both ends included."""

PRACTITIONER = {
    "small": (0.35, 0.50, 0.15, 0.0),
    "medium": (0.25, 0.50, 0.20, 0.05),
    "large": (0.20, 0.50, 0.25, 0.05),
}
"""Shares of easy, medium, hard and very hard data that practitioners take."""


def practitioner_shares(budget: int) -> tuple[float, ...]:
    """The practitioner's shares at a budget, from easy to very hard.

    >>> practitioner_shares(1999) == PRACTITIONER["small"]
    True
    >>> practitioner_shares(10000) == PRACTITIONER["medium"]
    True
    """
    return PRACTITIONER[practitioner_size(budget)]


def practitioner_size(budget: int) -> str:
    """Which of the practitioner's mixtures belongs to a budget."""
    if budget < SMALL:
        return "small"
    return "medium" if budget <= LARGE else "large"


def known_mixtures(n_strata: int, budget: int) -> dict[str, tuple[float, ...]]:
    """Shares by the mixture's name; the practitioner's are of four strata."""
    found: dict[str, tuple[float, ...]] = {"all": (1 / n_strata,) * n_strata}
    if n_strata > 2:
        rest = (1 / (n_strata - 1),) * (n_strata - 1)
        found["without_hardest"] = (*rest, 0.0)
        found["without_easiest"] = (0.0, *rest)
    if n_strata == 4:
        found["practitioner"] = practitioner_shares(budget)
    return found


def mixture_name(
    train_weights: Mapping[str, float], strata: Sequence[str], budget: int
) -> str | None:
    """Which of the known mixtures weights are, up to the rounding of shares to whole units.

    >>> mixture_name({"a": 0.352, "b": 0.496, "c": 0.152}, ["a", "b", "c", "d"], 125)
    'practitioner'
    """
    weights = np.array([train_weights.get(name, 0.0) for name in strata])
    off = {
        name: float(np.max(np.abs(weights - shares)))
        for name, shares in known_mixtures(len(strata), budget).items()
    }
    nearest = min(off, key=lambda name: off[name])
    return nearest if off[nearest] <= 1 / budget + 1e-6 else None
