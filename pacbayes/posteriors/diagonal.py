"""A scale for each weight."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self, final

from torch import Tensor

from pacbayes.posteriors.checks import require_names, require_scale
from pacbayes.posteriors.family import require_factor
from pacbayes.posteriors.independent import Independent


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Diagonal(Independent):
    """Q = N(means, diag(scales²)).

    Attributes:
        scales: Standard deviations by name, of the tensors' shapes.
    """

    scales: Mapping[str, Tensor]

    def require_valid(self) -> None:
        """See `Family.require_valid`."""
        require_names("scales", self.scales, self.means)
        for name, scale in self.scales.items():
            require_scale(f"`scales`: {name!r}", scale, tuple(self.means[name].shape))

    def scale_of(self, name: str) -> Tensor:
        """See `Independent.scale_of`."""
        return self.scales[name]

    def scaled(self, factor: float) -> Self:
        """See `Family.scaled`."""
        by = require_factor(factor)
        return replace(self, scales={name: scale * by for name, scale in self.scales.items()})
