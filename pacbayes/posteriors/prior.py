"""The Gaussian prior: independent weights around a centre that was fixed before the data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from torch import Tensor

from pacbayes.posteriors.checks import require_names, require_scale, require_weights


@dataclass(frozen=True, kw_only=True, eq=False)
class GaussianPrior:
    """P = N(centre, diag(scales²)).

    Attributes:
        centre: Mean of each tensor, by name.
        scales: Standard deviations by name: without dimensions where the weights of a tensor share
            one, of the tensor's shape where each has its own.

    Raises:
        InputError: Names or shapes that do not match, a scale that is not positive and finite.
    """

    centre: Mapping[str, Tensor]
    scales: Mapping[str, Tensor]

    def __post_init__(self) -> None:
        require_weights("centre", self.centre)
        require_names("scales", self.scales, self.centre)
        for name, scale in self.scales.items():
            require_scale(f"`scales`: {name!r}", scale, (), tuple(self.centre[name].shape))

    def scaled(self, factor: float) -> GaussianPrior:
        """The prior with all standard deviations times a factor."""
        return replace(self, scales={name: scale * factor for name, scale in self.scales.items()})
