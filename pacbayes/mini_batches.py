"""Mini-batches of the certification data for gradient steps, each a function of its step's key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pacbayes.data.encode import Example
from pacbayes.errors import InputError
from pacbayes.posteriors.noise import Stream
from pacbayes.risk import token_ids
from pacbayes.surrogates import IGNORED
from pacbayes.weight_perturbation import Pilot


@dataclass(frozen=True, kw_only=True)
class MiniBatch:
    """The mini-batch of one step, with as many units from each stratum.

    Attributes:
        examples: Those that can be scored.
        places: Place in the batch of each example's unit: units have a draw each.
        weights: Share of each example in its stratum's mean, shape (examples, strata).
        unscorable: What the others, at loss 1, add to that mean, shape (strata,).
    """

    examples: list[Example]
    places: list[int]
    weights: Tensor
    unscorable: Tensor

    @classmethod
    def drawn(cls, strata: Sequence[Pilot], size: int, step: int, seed: int) -> MiniBatch:
        """The batch of a step: `size` units in equal parts, the same ones for the same seed.

        Raises:
            InputError: None of them can be scored.
        """
        examples, places, weights = [], [], []
        lost = torch.zeros(len(strata), dtype=torch.float64)
        place = 0
        for index, stratum in enumerate(strata):
            picked = chosen(stratum, -(-size // len(strata)), step, seed)
            for unit in picked:
                for example in stratum.units[unit]:
                    share = torch.zeros(len(strata), dtype=torch.float64)
                    share[index] = 1 / (len(picked) * len(stratum.units[unit]))
                    if example.unscorable is not None:
                        lost += share
                        continue
                    examples.append(example)
                    places.append(place)
                    weights.append(share)
                place += 1
        if not examples:
            raise InputError("--optimize: a mini-batch has no example that can be scored.")
        return cls(examples=examples, places=places, weights=torch.stack(weights), unscorable=lost)

    def tensors(self) -> tuple[Tensor, Tensor]:
        """Token ids and labels, both (examples, longest); padding on the right is not scored."""
        ids = token_ids(self.examples)
        labels = torch.full_like(ids, IGNORED)
        for row, example in enumerate(self.examples):
            scored = torch.tensor(example.scored)
            labels[row, : len(scored)][scored] = ids[row, : len(scored)][scored]
        return ids, labels


def chosen(stratum: Pilot, wanted: int, step: int, seed: int) -> list[int]:
    """Units of a step: the next part of a shuffled pass over the stratum, a function of the key."""
    n = len(stratum.units)
    wanted = min(wanted, n)
    steps_in_a_pass = n // wanted
    epoch, part = divmod(step, steps_in_a_pass)
    order = np.random.default_rng([seed, Stream.TRAINING, stratum.stratum, epoch]).permutation(n)
    return [int(unit) for unit in order[part * wanted : (part + 1) * wanted]]
