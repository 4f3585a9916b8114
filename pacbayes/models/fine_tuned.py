"""A fine-tuned model opened for certification: the model itself, and where Q and P are centred."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from torch import Tensor, nn

from pacbayes.models.loading import Source
from pacbayes.models.noise import Noise
from pacbayes.posteriors.family import Spread
from pacbayes.posteriors.sums import distance_squared


@dataclass(frozen=True, kw_only=True)
class FineTuned:
    """A model at the posterior's centre, and what separates it from the prior's.

    Attributes:
        model: The model, in evaluation mode, computing with the posterior's centre.
        tokenizer: The tokenizer of the checkpoint or of its base.
        context: Longest sequence the model reads, in tokens.
        kind: "adapter" or "full".
        noise: Perturbs exactly the tensors that the Gaussian covers.
        prior_centre: The prior's mean of each covered tensor, on the CPU.
        relative_scales: Scale of each covered tensor under the prior, up to the common factor;
            a function of the prior alone (the noise noted with it, or its weights' own size).
        suggested_noise: The law of each tensor's noise that is stored with the checkpoint or in a
            posterior's file, or empty.
        posterior_given: Whether it is to be certified as it is.
        posterior, prior, base: What was read; the posterior is a file if its centre was moved.
        moved: Whether the centre is elsewhere by now, and in no file.
        checkpoint: The folder opened, if the posterior is not that itself.
        assumptions: What the KL rests on, in plain sentences.
    """

    model: nn.Module
    tokenizer: Any
    context: int
    kind: str
    noise: Noise
    prior_centre: dict[str, Tensor]
    relative_scales: dict[str, float]
    suggested_noise: Mapping[str, Spread]
    posterior: Source
    prior: Source
    base: Source | None = None
    assumptions: tuple[str, ...] = ()
    checkpoint: Source | None = None
    posterior_given: bool = False
    moved: bool = False

    @property
    def folder(self) -> Source:
        """The checkpoint's folder."""
        return self.checkpoint or self.posterior

    @cached_property
    def sizes(self) -> dict[str, int]:
        """Number of weights in each covered tensor."""
        return {name: tensor.numel() for name, tensor in self.noise.tensors.items()}

    @cached_property
    def distances_squared(self) -> dict[str, float]:
        """Squared distance of the centres for each covered tensor."""
        return {
            name: distance_squared(tensor, self.prior_centre[name])
            for name, tensor in self.noise.tensors.items()
        }

    def recentred(self, centre: Mapping[str, Tensor]) -> FineTuned:
        """The posterior's centre moved: the same model object, which now computes with it.

        Args:
            centre: New values of covered tensors by name; the others stay.
        """
        self.noise.recentre(centre)
        return replace(self)
