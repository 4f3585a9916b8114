"""One scale for each group of tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self, final

from torch import Tensor

from pacbayes.posteriors.checks import require_names, require_partition, require_scale
from pacbayes.posteriors.family import require_factor
from pacbayes.posteriors.independent import Independent


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class PerGroup(Independent):
    """Q = N(means, Σ), the weights of a group of tensors independent with one variance.

    Attributes:
        groups: Names of the tensors in each group, as `groups.match_groups` gives them; every
            tensor is in exactly one.
        scales: Standard deviation of each group, without dimensions.
    """

    groups: Mapping[str, tuple[str, ...]]
    scales: Mapping[str, Tensor]

    def require_valid(self) -> None:
        """See `Family.require_valid`."""
        require_partition(self.groups, self.means)
        require_names("scales", self.scales, self.groups)
        for group, scale in self.scales.items():
            require_scale(f"`scales`: {group!r}", scale, ())

    def scale_of(self, name: str) -> Tensor:
        """See `Independent.scale_of`."""
        return self.scales[self._group_of[name]]

    @cached_property
    def _group_of(self) -> dict[str, str]:
        return {name: group for group, members in self.groups.items() for name in members}

    def scaled(self, factor: float) -> Self:
        """See `Family.scaled`."""
        by = require_factor(factor)
        return replace(self, scales={group: scale * by for group, scale in self.scales.items()})
