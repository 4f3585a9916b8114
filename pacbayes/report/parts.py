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

MEANINGS: Mapping[Part, str] = MappingProxyType(
    {
        "empirical_risk": "the mean loss on the certification data, measured with the object that "
        "is certified; better training lowers it",
        "monte_carlo": "that loss was measured with finitely many draws of the weights; more "
        "passes shrink it",
        "kl": "the price of how far fine-tuning moved the model from its prior (of a compressed "
        "network, of its code's length), over n; a smaller move or more data shrink it",
        "log_term": "the price of the confidence and of choices between priors, over n; more data "
        "shrink it",
    }
)
"""What they are and what makes them smaller."""
