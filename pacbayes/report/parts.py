"""The parts of a certified bound, in the order in which they are stacked."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from pacbayes.certificate import Part

PARTS: Mapping[Part, str] = MappingProxyType(
    {
        "empirical_risk": "empirical risk",
        "monte_carlo": "Monte-Carlo uncertainty",
        "kl": "KL",
        "log_term": "log term",
    }
)
"""Their names in words."""
