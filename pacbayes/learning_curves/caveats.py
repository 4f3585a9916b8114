"""Sentences on what forecasts from fitted curves rest on, and on what the runs leave open."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from pacbayes.learning_curves.cells import Cells, Floats
from pacbayes.learning_curves.coordinates import Coordinates

UNINFORMED = 0.7
"""Ratio of the spread among fits to the prior's above which a number counts as not identified."""


def unknown(data: Cells, space: Coordinates, z: Floats, base_risk: float | None) -> list[str]:
    """Return sentences on what the runs leave open, from the fits' coordinates z."""
    sentences = []
    if len(data.budgets) == 1:
        sentences.append(
            f"All runs have budget {data.budgets[0]:g}: how fast risk falls with budget (exponent, "
            "scales) and where it ends (asymptotes) cannot be told apart; forecasts at other "
            "budgets rest on the prior range of these numbers."
        )
    if base_risk is None:
        sentences.append(
            "The base model was not measured on the target; the curves' start is a guess."
        )
    if not data.degrees_of_freedom:
        sentences.append(
            "No cell has two seeds: noise between seeds cannot be told from misfit of the curves, "
            "and all misfit was counted as noise."
        )
    prior = np.random.default_rng(0).standard_normal((2000, space.size))
    if np.std(z[:, -2]) > UNINFORMED:
        sentences.append("The runs hardly narrow down the curves' common exponent.")
    spreads = [np.std(logit(space.curves(v).asymptote), axis=0) for v in (z, prior)]
    if names := _listed(data.difficulties[spreads[0] > UNINFORMED * spreads[1]]):
        sentences.append(
            "The runs hardly narrow down the risk that is left with unlimited data of difficulty "
            f"{names}; larger budgets would."
        )
    return sentences


def _listed(values: NDArray[np.float64]) -> str:
    return ", ".join(f"{v:g}" for v in values)


def assumptions(monotone: bool, misfit: float) -> list[str]:
    """Return sentences on what forecasts of the fits rest on; misfit is τ of `LearningCurves`."""
    order = (
        " Harder training data never raises the risk left with unlimited data, and never makes "
        "learning faster."
        if monotone
        else ""
    )
    off = (
        " The runs lie off these curves by more than noise, as if by independent errors of logit "
        f"risk with standard deviation {misfit:.2g}; the risk left with unlimited data is taken to "
        "be off by as much."
        if misfit
        else ""
    )
    return [
        "Risk follows R(d, n) = c_d + (r0 - c_d)/(1 + (n/k_d)^g) with one exponent g for all "
        f"difficulties.{order}{off}",
        "Runs are measured on test sets of their own; on a shared one the curves are off together "
        "by that set's error, which the intervals of risk leave out and differences do not have.",
    ]
