"""One scale for all weights."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self, final

from torch import Tensor

from pacbayes.posteriors.checks import require_scale
from pacbayes.posteriors.family import require_factor
from pacbayes.posteriors.independent import Independent


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Isotropic(Independent):
    """Q = N(means, scale² I).

    Attributes:
        scale: Standard deviation of every weight, without dimensions.
    """

    scale: Tensor

    def require_valid(self) -> None:
        """See `Family.require_valid`."""
        require_scale("`scale`", self.scale, ())

    def scale_of(self, name: str) -> Tensor:
        """See `Independent.scale_of`."""
        return self.scale

    def scaled(self, factor: float) -> Self:
        """See `Family.scaled`."""
        return replace(self, scale=self.scale * require_factor(factor))
