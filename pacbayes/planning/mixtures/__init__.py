"""Mixtures of strata to train on: weights for a budget, by certificate or by predicted risk."""

from pacbayes.planning.mixtures.by_certificate import (
    GAP_TERMS,
    CertificateMixture,
    least_certificate_mixture,
)
from pacbayes.planning.mixtures.by_forecast import (
    MixtureForecast,
    recommend_mixture,
    recommend_mixtures,
    weights_by_budget,
)
from pacbayes.planning.mixtures.by_runs import TriedMixtures, try_mixtures
from pacbayes.planning.mixtures.check import UNCHECKED, MixingCheck, check_mixing
from pacbayes.planning.mixtures.joint import (
    JointCertificate,
    certify_fixed_mixture,
    certify_mixture,
    forecast_certificate,
)
from pacbayes.planning.mixtures.mixing import MIXING, MixingRule, mixed_risk
from pacbayes.planning.mixtures.simplex import effective_sample_size

__all__ = [
    "GAP_TERMS",
    "MIXING",
    "UNCHECKED",
    "CertificateMixture",
    "JointCertificate",
    "MixingCheck",
    "MixingRule",
    "MixtureForecast",
    "TriedMixtures",
    "certify_fixed_mixture",
    "certify_mixture",
    "check_mixing",
    "effective_sample_size",
    "forecast_certificate",
    "least_certificate_mixture",
    "mixed_risk",
    "recommend_mixture",
    "recommend_mixtures",
    "try_mixtures",
    "weights_by_budget",
]
