"""Confidence bounds for the mean of bounded draws, each one-sided at its δ."""

from pacbayes.confidence.clopper_pearson import clopper_pearson_lower, clopper_pearson_upper
from pacbayes.confidence.kl import kl_lower, kl_upper

__all__ = ["clopper_pearson_lower", "clopper_pearson_upper", "kl_lower", "kl_upper"]
