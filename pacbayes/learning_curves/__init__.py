"""Learning curves over difficulty and budget, fitted to pilot runs; numbers in, numbers out.

R(d, n) = c_d + (r₀ − c_d)/(1 + (n/k_d)^g): the risk on the target after training on n units of
difficulty d. r₀ is the base model's risk, c_d the risk left with unlimited data, k_d the budget at
which half the way is gone, g how sharply. Harder data is taken to end lower and to learn slower.
Cells that lie off the curves by more than noise widen the fits by as much (`misfit`). What a fit
says of budgets that were not run is a forecast.
"""

from pacbayes.learning_curves.cells import Cells, cells
from pacbayes.learning_curves.curves import Curves
from pacbayes.learning_curves.fit import LearningCurves, fit_learning_curves
from pacbayes.learning_curves.surface import TransferSurface, fit_transfer_surface

__all__ = [
    "Cells",
    "Curves",
    "LearningCurves",
    "TransferSurface",
    "cells",
    "fit_learning_curves",
    "fit_transfer_surface",
]
