"""Certificates of other objects made from the same fine-tuned model, by name.

Each is a statement of its own at the run's δ, as those of several losses are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from pacbayes.certificate import Certificate
from pacbayes.objects.compressed import certify_compressed
from pacbayes.objects.drawn import certify_drawn
from pacbayes.objects.run import Run
from pacbayes.objects.tokens import certify_tokens

OBJECTS: Mapping[str, Callable[[Run], tuple[Certificate, ...]]] = MappingProxyType(
    {
        "drawn": certify_drawn,
        "compressed": certify_compressed,
        "tokens": certify_tokens,
    }
)
"""`drawn`: one network drawn from the posterior. `compressed`: one network from a code of few bits.
`tokens`: the tokens of the documents, predicted by the drawn network."""

__all__ = ["OBJECTS", "Run"]
