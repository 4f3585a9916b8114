"""The optimal difficulty over budget and strength of the base model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pacbayes.errors import InputError
from pacbayes.learning_curves import Curves
from pacbayes.planning.optimum import optimal_difficulty

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class PhaseDiagram:
    """Forecasts of d* over budget and base strength.

    Attributes:
        budgets: Shape (budgets,).
        base_strengths: Accuracy of the base model on the target, shape (strengths,).
        optimal_difficulty: Shape (strengths, budgets), nested tuples.
        assumption: What carries the fits to bases that were not run.
    """

    budgets: tuple[float, ...]
    base_strengths: tuple[float, ...]
    optimal_difficulty: tuple[tuple[float, ...], ...]
    assumption: str


def phase_diagram(
    curves: Sequence[Curves], *, budgets: Sequence[float], base_strengths: Sequence[float]
) -> PhaseDiagram:
    """Find the difficulty of least expected regret at each budget and base strength.

    The base's strength sets where the curves start: r₀ = 1 − strength. The other numbers are
    interpolated over strength between the bases that were run (logit c, ln k and ln g, fit by
    fit), and kept from the nearest one beyond them; from one base they are kept throughout.

    Args:
        curves: Fits of each base that was run, at the same difficulties, equally many fits.
        budgets: Positive.
        base_strengths: In (0, 1).

    Raises:
        InputError: No base, bases of one strength, other difficulties or numbers of fits, a budget
            that is not positive or a strength outside (0, 1).
    """
    _check(curves, budgets, base_strengths)
    rows = []
    for strength in base_strengths:
        fits = _at_strength(curves, strength)
        best = (optimal_difficulty(fits.risk(n), fits.difficulties).value for n in budgets)
        rows.append(tuple(best))
    return PhaseDiagram(
        budgets=tuple(map(float, budgets)),
        base_strengths=tuple(map(float, base_strengths)),
        optimal_difficulty=tuple(rows),
        assumption=_assumption(_strengths(curves)),
    )


def _at_strength(curves: Sequence[Curves], strength: float) -> Curves:
    known = _strengths(curves)
    order = np.argsort(known)
    known, ordered = known[order], [curves[i] for i in order]
    i = int(np.clip(np.searchsorted(known, strength) - 1, 0, max(len(known) - 2, 0)))
    low, high = ordered[i], ordered[min(i + 1, len(known) - 1)]
    span = known[min(i + 1, len(known) - 1)] - known[i]
    share = float(np.clip((strength - known[i]) / span, 0, 1)) if span else 0.0
    return _between(low, high, share).with_base_risk(1 - strength)


def _between(low: Curves, high: Curves, share: float) -> Curves:
    logits = [np.log(c.asymptote) - np.log1p(-c.asymptote) for c in (low, high)]
    mix = (1 - share, share)
    return Curves(
        difficulties=low.difficulties,
        asymptote=1 / (1 + np.exp(-(mix[0] * logits[0] + mix[1] * logits[1]))),
        scale=low.scale ** mix[0] * high.scale ** mix[1],
        exponent=low.exponent ** mix[0] * high.exponent ** mix[1],
        base_risk=low.base_risk,
    )


def _strengths(curves: Sequence[Curves]) -> Floats:
    return np.array([1 - float(np.mean(c.base_risk)) for c in curves])


def _assumption(known: Floats) -> str:
    if len(known) == 1:
        return (
            f"Only a base of strength {known[0]:.3g} was run. Others are taken to differ in where "
            "their curves start, and neither in the risk left with unlimited data nor in how fast "
            "they learn; nothing in the runs tests this."
        )
    listed = ", ".join(f"{value:.3g}" for value in np.sort(known))
    return (
        f"Bases of strengths {listed} were run. Between them asymptotes, scales and exponent are "
        "interpolated over strength; beyond them they are kept from the nearest."
    )


def _check(
    curves: Sequence[Curves], budgets: Sequence[float], base_strengths: Sequence[float]
) -> None:
    if not curves:
        raise InputError("`curves` must hold the fits of at least one base.")
    if any(
        len(c) != len(curves[0]) or not np.array_equal(c.difficulties, curves[0].difficulties)
        for c in curves
    ):
        raise InputError("all bases must have the same difficulties and number of fits.")
    if len(np.unique(_strengths(curves))) < len(curves):
        raise InputError("two bases have the same strength; they are not to be told apart here.")
    if not all(0 < s < 1 for s in base_strengths):
        raise InputError(f"`base_strengths` must lie in (0, 1), got {list(base_strengths)}.")
    if not all(n > 0 for n in budgets):
        raise InputError(f"`budgets` must be positive, got {list(budgets)}.")
