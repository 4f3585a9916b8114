"""PAC-Bayes theorems as plain functions: numbers or arrays in, certified numbers out.

Every result is rounded outward: an upper bound is never below the true value of its formula, and
at most 1.0. `BOUNDS` lists the theorems with their assumptions; `certified` evaluates one in
interval arithmetic.
"""

from pacbayes.bounds.binary_kl import (
    binary_kl,
    binary_kl_inverse_lower,
    binary_kl_inverse_upper,
)
from pacbayes.bounds.catoni import catoni
from pacbayes.bounds.catoni_grid import catoni_grid
from pacbayes.bounds.disintegrated_kl import disintegrated_kl, disintegrated_kl_lower
from pacbayes.bounds.enclosures import certified, enclosure
from pacbayes.bounds.held_out import (
    test_set_betting,
    test_set_betting_lower,
    test_set_binomial,
    test_set_binomial_lower,
    test_set_kl,
    test_set_kl_lower,
)
from pacbayes.bounds.log_wealth import log_wealth, log_wealth_lower
from pacbayes.bounds.log_wealth_at import log_wealth_at, log_wealth_at_lower
from pacbayes.bounds.mcallester_1999 import mcallester_1999, mcallester_1999_lower
from pacbayes.bounds.mixture_log_wealth import mixture_log_wealth
from pacbayes.bounds.occam_binomial import occam_binomial
from pacbayes.bounds.occam_kl import occam_kl
from pacbayes.bounds.pinsker import pinsker, pinsker_lower
from pacbayes.bounds.quadratic import quadratic, quadratic_lower
from pacbayes.bounds.ranking import Ranked, rank, zero_one
from pacbayes.bounds.registry import BOUNDS, Bound, lookup
from pacbayes.bounds.seeger_maurer import seeger_maurer, seeger_maurer_lower
from pacbayes.bounds.seeger_maurer_2sqrtn import (
    seeger_maurer_2sqrtn,
    seeger_maurer_2sqrtn_lower,
)
from pacbayes.bounds.split_kl import split_kl, split_kl_lower
from pacbayes.bounds.strata import (
    joint_kl,
    joint_kl_lower,
    mixture_hoeffding,
    simultaneous_kl,
    simultaneous_kl_lower,
)
from pacbayes.bounds.sub_gamma import sub_gamma
from pacbayes.bounds.sub_gaussian import sub_gaussian
from pacbayes.bounds.thiemann import thiemann, thiemann_lower
from pacbayes.bounds.time_uniform_kl import time_uniform_kl, time_uniform_kl_lower
from pacbayes.bounds.token_freedman import token_freedman
from pacbayes.bounds.tolstikhin_seldin import tolstikhin_seldin
from pacbayes.bounds.unexpected_bernstein import unexpected_bernstein
from pacbayes.bounds.uniform_catoni import uniform_catoni
from pacbayes.bounds.xi import kt_constant, log_kt_constant, log_xi, xi

__all__ = [
    "BOUNDS",
    "Bound",
    "Ranked",
    "binary_kl",
    "binary_kl_inverse_lower",
    "binary_kl_inverse_upper",
    "catoni",
    "catoni_grid",
    "certified",
    "disintegrated_kl",
    "disintegrated_kl_lower",
    "enclosure",
    "joint_kl",
    "joint_kl_lower",
    "kt_constant",
    "log_kt_constant",
    "log_wealth",
    "log_wealth_at",
    "log_wealth_at_lower",
    "log_wealth_lower",
    "log_xi",
    "lookup",
    "mcallester_1999",
    "mcallester_1999_lower",
    "mixture_hoeffding",
    "mixture_log_wealth",
    "occam_binomial",
    "occam_kl",
    "pinsker",
    "pinsker_lower",
    "quadratic",
    "quadratic_lower",
    "rank",
    "seeger_maurer",
    "seeger_maurer_2sqrtn",
    "seeger_maurer_2sqrtn_lower",
    "seeger_maurer_lower",
    "simultaneous_kl",
    "simultaneous_kl_lower",
    "split_kl",
    "split_kl_lower",
    "sub_gamma",
    "sub_gaussian",
    "test_set_betting",
    "test_set_betting_lower",
    "test_set_binomial",
    "test_set_binomial_lower",
    "test_set_kl",
    "test_set_kl_lower",
    "thiemann",
    "thiemann_lower",
    "time_uniform_kl",
    "time_uniform_kl_lower",
    "token_freedman",
    "tolstikhin_seldin",
    "unexpected_bernstein",
    "uniform_catoni",
    "xi",
    "zero_one",
]
