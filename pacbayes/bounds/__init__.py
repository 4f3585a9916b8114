"""PAC-Bayes theorems as plain functions: numbers in, certified numbers out."""

from pacbayes.bounds.binary_kl import (
    binary_kl,
    binary_kl_inverse_lower,
    binary_kl_inverse_upper,
)
from pacbayes.bounds.seeger_maurer import log_xi, seeger_maurer, seeger_maurer_lower

__all__ = [
    "binary_kl",
    "binary_kl_inverse_lower",
    "binary_kl_inverse_upper",
    "log_xi",
    "seeger_maurer",
    "seeger_maurer_lower",
]
