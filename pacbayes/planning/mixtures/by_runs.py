"""Mixtures that runs were trained on, each with a learning curve of its own.

Rules of mixing (`mixing`) guess a mixture's curve from those of its strata. Where a stratum alone
spoils what another one teaches, mixtures are better than every rule says, and only runs on them
tell how much. Of mixtures that were run at several budgets nothing has to be guessed but the course
of their own curves, which are fitted apart from those of single strata: with an exponent of theirs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pacbayes.learning_curves import Curves, fit_learning_curves

Floats = NDArray[np.float64]

LEAST_MIXTURES = 2
"""A fit needs as many, each at as many budgets."""


@dataclass(frozen=True, kw_only=True)
class TriedMixtures:
    """Mixtures with runs at several budgets.

    Attributes:
        weights: The share of each stratum, shape (mixtures, K).
        n_runs: Runs on each, shape (mixtures,).
        curves: Fits of their target risk, with a column for each mixture.
    """

    weights: Floats
    n_runs: NDArray[np.intp]
    curves: Curves

    def best(self, budget: float) -> tuple[int, Floats]:
        """The mixture of least mean risk at a budget, and its risk, shape (fits,); a forecast."""
        risk = self.curves.risk(budget)
        place = int(risk.mean(axis=0).argmin())
        return place, risk[:, place]


def try_mixtures(
    *,
    train_weights: ArrayLike,
    budget: ArrayLike,
    risk: ArrayLike,
    n_test: ArrayLike,
    base_risk: float | None,
    n_base: int | None = None,
    n_fits: int = 1000,
    seed: int = 0,
) -> TriedMixtures | None:
    """Fit learning curves to mixtures that were run at two budgets or more.

    Args:
        train_weights: Of each run on a mixture, shape (runs, K).
        budget: Shape (runs,).
        risk: Measured target risk, shape (runs,).
        n_test: Units it was measured on, shape (runs,).
        base_risk: The base model's risk on the target, None if it was not measured.
        n_base: Units that it was measured on; None if it is known exactly.
        n_fits: Number of bootstrap fits.
        seed: Of the bootstrap.

    Returns:
        None if there are fewer than two such mixtures.

    Raises:
        InputError: See `fit_learning_curves`.
    """
    rows, n = np.asarray(train_weights, float), np.asarray(budget, float)
    y, m = np.asarray(risk, float), np.asarray(n_test, float)
    found = [group for group in same_mixtures(rows, n) if len(set(n[group])) >= LEAST_MIXTURES]
    if len(found) < LEAST_MIXTURES:
        return None
    weights = np.array([rows[group[n[group].argmax()]] for group in found])
    # curves free of order; the order in which neighbours are alike at all is from easy to hard
    order = np.argsort(weights @ np.arange(weights.shape[1]), kind="stable")
    found, weights = [found[i] for i in order], weights[order]
    members = np.concatenate(found)
    sizes = np.array([len(group) for group in found])
    fitted = fit_learning_curves(
        difficulty=np.repeat(np.arange(len(found)), sizes),
        budget=n[members],
        risk=y[members],
        n_test=m[members],
        base_risk=base_risk,
        n_base=n_base,
        n_fits=n_fits,
        seed=seed,
        monotone=False,
    )
    return TriedMixtures(weights=weights, n_runs=sizes, curves=fitted.fits)


def same_mixtures(train_weights: Floats, budget: Floats) -> list[NDArray[np.intp]]:
    """Runs whose weights are the same but for the rounding of shares to whole units.

    A run joins the nearest mixture of larger budgets that its own weights can be a rounding of.

    >>> weights = np.array([[0.5, 0.5], [0.375, 0.625], [0.35, 0.65]])
    >>> [group.tolist() for group in same_mixtures(weights, np.array([8, 8, 1000]))]
    [[2, 1], [0]]
    """
    groups: list[list[int]] = []
    for i in np.argsort(-budget, kind="stable").tolist():
        off = [float(np.abs(train_weights[g[0]] - train_weights[i]).max()) for g in groups]
        nearest = int(np.argmin(off)) if off else -1
        if off and off[nearest] < 1 / budget[i]:
            groups[nearest].append(i)
        else:
            groups.append([i])
    return [np.array(group) for group in groups]
