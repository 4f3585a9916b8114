"""The transfer surface r(d, k, n): risk on stratum k after training on n units of difficulty d."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pacbayes.errors import InputError
from pacbayes.learning_curves.fit import LearningCurves, fit_learning_curves

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class TransferSurface:
    """Learning curves on each test stratum, in an order of strata that the caller keeps.

    Attributes:
        strata: The curves fitted for each test stratum; all have the same difficulties and fits.
    """

    strata: tuple[LearningCurves, ...]

    def risk(self, difficulties: ArrayLike, budget: float) -> Floats:
        """Return r(d, k, budget), shape (fits, difficulties, strata)."""
        return np.stack([s.fits.at(difficulties).risk(budget) for s in self.strata], axis=2)

    def extrapolation_gap(
        self,
        *,
        difficulties: ArrayLike,
        budget: float,
        target_weights: ArrayLike,
        train_weights: ArrayLike,
    ) -> Floats:
        """Return G_ext(d, n) = Σ_k v_k r(d, k, n) − Σ_k w_k(d) r(d, k, n); a forecast.

        Args:
            difficulties: Training difficulties, shape (D,).
            budget: n.
            target_weights: v on the simplex, shape (strata,).
            train_weights: w(d), what training data of each difficulty consists of, each row on the
                simplex, shape (D, strata). Training on one stratum gives a row of zeros and a one.

        Returns:
            Shape (fits, D).

        Raises:
            InputError: Weights of another shape, negative, or that do not sum to 1.
        """
        n_difficulties, n_strata = np.size(difficulties), len(self.strata)
        v = _weights(target_weights, (n_strata,), "target_weights")
        w = _weights(train_weights, (n_difficulties, n_strata), "train_weights")
        gap: Floats = np.sum(self.risk(difficulties, budget) * (v - w), axis=2)
        return gap


def fit_transfer_surface(
    *,
    difficulty: ArrayLike,
    budget: ArrayLike,
    risks: ArrayLike,
    n_tests: ArrayLike,
    base_risks: Sequence[float | None],
    n_base: Sequence[int | None],
    n_fits: int = 1000,
    seed: int = 0,
) -> TransferSurface:
    """Fit one set of learning curves for each test stratum, free in difficulty.

    On a part of the target harder training may well end higher or learn faster, so the curves are
    not held in an order. Strata are fitted each with its own noise: where a run's seed moves all
    strata together, the spread of differences between strata is overstated.

    Args:
        difficulty: Of each run's training data, shape (runs,).
        budget: Shape (runs,).
        risks: Measured risk of each run on each stratum, shape (runs, strata).
        n_tests: Units it was measured on, shape (runs, strata), or (strata,).
        base_risks: The base model's risk on each stratum, None where it was not measured.
        n_base: Units that was measured on, None where it is known exactly.
        n_fits: Number of bootstrap fits.
        seed: Of the bootstrap.

    Raises:
        InputError: Strata that do not agree in number; else see `fit_learning_curves`.
    """
    columns = np.asarray(risks, dtype=np.float64)
    if columns.ndim != 2 or not columns.shape[1] == len(base_risks) == len(n_base):
        raise InputError(
            "`risks` must have one column for each entry of `base_risks` and `n_base`, got shape "
            f"{columns.shape} for {len(base_risks)} and {len(n_base)}."
        )
    tests = np.broadcast_to(np.asarray(n_tests, dtype=np.float64), columns.shape)
    return TransferSurface(
        strata=tuple(
            fit_learning_curves(
                difficulty=difficulty,
                budget=budget,
                risk=columns[:, k],
                n_test=tests[:, k],
                base_risk=base_risks[k],
                n_base=n_base[k],
                n_fits=n_fits,
                seed=seed + k,
                monotone=False,
            )
            for k in range(columns.shape[1])
        )
    )


def _weights(values: ArrayLike, shape: tuple[int, ...], name: str) -> Floats:
    weights = np.asarray(values, dtype=np.float64)
    if weights.shape != shape:
        raise InputError(f"`{name}` must have shape {shape}, got {weights.shape}.")
    if not np.all(weights >= 0) or not np.allclose(weights.sum(axis=-1), 1, atol=1e-9):
        raise InputError(f"`{name}` must be at least 0 and sum to 1 over the strata.")
    return weights
