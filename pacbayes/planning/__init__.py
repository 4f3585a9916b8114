"""From runs to decisions: how hard training data should be for a budget. Works without torch."""

from pacbayes.planning.closed_forms import (
    bang_bang,
    bang_bang_budget,
    best_target_share,
    offset_kl,
    quadratic_gap,
)
from pacbayes.planning.monotone_limit import monotone_limit
from pacbayes.planning.objective import FORMS, Objective, certificate_objective

__all__ = [
    "FORMS",
    "Objective",
    "bang_bang",
    "bang_bang_budget",
    "best_target_share",
    "certificate_objective",
    "monotone_limit",
    "offset_kl",
    "quadratic_gap",
]
