"""Which way the optimal difficulty moves as the budget grows: found in the fits, never assumed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pacbayes.errors import InputError
from pacbayes.learning_curves import Cells

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class ComparativeStatics:
    """How d*(n) moves with n.

    Attributes:
        verdict: "monotone" (never easier, in the end harder), "flat", "reversed" or "undecided".
        probabilities: Share of the fits for each of the first three; the rest does neither.
        statement: The verdict in a sentence.
    """

    verdict: str
    probabilities: dict[str, float]
    statement: str


def comparative_statics(
    optima: ArrayLike,
    budgets: ArrayLike,
    *,
    level: float = 0.9,
    tolerance: float = 0.0,
    observed: ArrayLike | None = None,
    observed_budgets: ArrayLike | None = None,
) -> ComparativeStatics:
    """Say whether d*(n) rises, stays or falls, if a share `level` of the fits agrees.

    Learning curves of one family may rule out a fall by their form. So the best difficulties of
    the runs themselves, resampled but not fitted, can be given too: if they fall in a share
    `level`, the verdict is reversed whatever the fits say.

    Args:
        optima: Best difficulty of each fit at each budget, shape (fits, budgets).
        budgets: Strictly increasing, shape (budgets,); one leaves it undecided.
        level: Share of the fits that decides, in (.5, 1).
        tolerance: Moves of at most this size count as none, as that of the grid.
        observed: As `optima`, from `observed_optima`, at `observed_budgets`.
        observed_budgets: Strictly increasing.

    Raises:
        InputError: Shapes that do not fit, budgets that do not increase, or `level` outside its
            range.

    >>> comparative_statics([[0.2, 0.5, 0.5], [0.1, 0.4, 0.9]], [1, 2, 4]).verdict
    'monotone'
    """
    if not 0.5 < level < 1:
        raise InputError(f"`level` must lie in (0.5, 1), got {level:g}.")
    n = np.asarray(budgets, dtype=np.float64)
    shares = _shares(optima, n, tolerance)
    decided = (name for name, share in shares.items() if share >= level and len(n) > 1)
    verdict = next(decided, "undecided")
    statement = _statement(verdict, shares, n)
    if observed is not None and observed_budgets is not None:
        seen_n = np.asarray(observed_budgets, dtype=np.float64)
        seen = _shares(observed, seen_n, tolerance)
        if seen["reversed"] >= level and verdict != "reversed":
            verdict = "reversed"
            statement = (
                f"The runs' own best difficulty gets easier from budget {seen_n[0]:g} to "
                f"{seen_n[-1]:g} in {seen['reversed']:.0%} of the resamples, against the fitted "
                "curves: do not rely on their forecasts."
            )
    return ComparativeStatics(verdict=verdict, probabilities=shares, statement=statement)


def observed_optima(
    data: Cells, variance: ArrayLike, *, n_fits: int = 1000, seed: int = 0
) -> Floats:
    """Return the best difficulty of resampled cells at each budget that has all difficulties.

    No curve is fitted: normal noise of the cells' variance is added to their means.

    Args:
        data: The runs.
        variance: Of each cell's mean, shape (cells,).
        n_fits: Number of resamples.
        seed: Of the noise.

    Returns:
        Shape (n_fits, budgets), for `complete_budgets`.
    """
    rng = np.random.default_rng(seed)
    spread = np.sqrt(np.asarray(variance, dtype=np.float64))
    means = data.mean + spread * rng.standard_normal((n_fits, len(data.mean)))
    # cells of one budget come in the order of their difficulties
    best = [np.argmin(means[:, data.budget == n], axis=1) for n in complete_budgets(data)]
    places = np.array(best, dtype=np.intp).reshape(len(best), n_fits)
    optima: Floats = data.difficulties[places.T]
    return optima


def complete_budgets(data: Cells) -> Floats:
    """Return the budgets at which every difficulty was run."""
    counts = np.array([np.sum(data.budget == n) for n in data.budgets])
    complete: Floats = data.budgets[counts == len(data.difficulties)]
    return complete


def _shares(optima: ArrayLike, budgets: Floats, tolerance: float) -> dict[str, float]:
    paths = np.asarray(optima, dtype=np.float64)
    if paths.ndim != 2 or paths.shape[1:] != budgets.shape or not paths.size:
        raise InputError(
            f"`optima` must have shape (fits, budgets), got {paths.shape} for {budgets.size} "
            "budgets."
        )
    if np.any(np.diff(budgets) <= 0):
        raise InputError("`budgets` must be strictly increasing.")
    flat = np.ptp(paths, axis=1) <= tolerance
    drop = np.max(np.maximum.accumulate(paths, axis=1) - paths, axis=1)
    climb = np.max(paths - np.minimum.accumulate(paths, axis=1), axis=1)
    return {
        "monotone": float(np.mean(~flat & (drop <= tolerance))),
        "flat": float(np.mean(flat)),
        "reversed": float(np.mean(~flat & (climb <= tolerance))),
    }


def _statement(verdict: str, shares: dict[str, float], budgets: Floats) -> str:
    if len(budgets) < 2:
        return "One budget does not tell which way the optimal difficulty moves."
    between = f"from budget {budgets[0]:g} to {budgets[-1]:g}"
    if verdict == "undecided":
        listed = ", ".join(f"{name} in {share:.0%}" for name, share in shares.items())
        return f"The fits do not agree on how the optimal difficulty moves {between}: {listed}."
    share = f"{between} in {shares[verdict]:.0%} of the fits"
    return f"The optimal difficulty {_MOVES[verdict]} {share}."


_MOVES = {"monotone": "moves to harder data", "flat": "stays", "reversed": "moves to easier data"}
