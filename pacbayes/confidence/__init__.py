"""Confidence bounds for the mean of bounded draws, each one-sided at its δ, rounded outward.

For posterior draws and held-out data. Clopper–Pearson for 0-1 draws, kl for independent draws in
[0, 1], empirical Bernstein and betting where they vary little; betting and its stopper hold at
any time, so that one may draw until satisfied.
"""

from pacbayes.bounds import test_set_binomial as clopper_pearson_upper
from pacbayes.bounds import test_set_binomial_lower as clopper_pearson_lower
from pacbayes.confidence.betting import Betting
from pacbayes.confidence.control_variate import ControlVariate
from pacbayes.confidence.empirical_bernstein import (
    empirical_bernstein_lower,
    empirical_bernstein_upper,
)
from pacbayes.confidence.kl import kl_lower, kl_upper
from pacbayes.confidence.stopper import Stopper

__all__ = [
    "Betting",
    "ControlVariate",
    "Stopper",
    "clopper_pearson_lower",
    "clopper_pearson_upper",
    "empirical_bernstein_lower",
    "empirical_bernstein_upper",
    "kl_lower",
    "kl_upper",
]
