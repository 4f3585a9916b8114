"""Losses of a model on units of data: at the posterior's centre and under posterior draws."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pacbayes.data.encode import Example
from pacbayes.data.sample import Unit
from pacbayes.errors import InputError
from pacbayes.losses import Loss
from pacbayes.models.fine_tuned import FineTuned
from pacbayes.posteriors.family import Spread
from pacbayes.posteriors.noise import Draw, NoiseKey
from pacbayes.team import ALONE, Team

FloatArray = npt.NDArray[np.float64]
Row = tuple[int, Example]


@dataclass(frozen=True, kw_only=True)
class Scorer:
    """Scores units of data with one model and some losses, all of them from each forward pass.

    Attributes:
        model: The fine-tuned model.
        losses: The losses in [0, 1].
        batch_size: Examples in one forward pass; changes memory and speed, not the noise. Halved
            for a while where the device has not enough memory.
        block: Units that share a draw where rows of a batch cannot have draws of their own.
        tick: Called with the number of examples just scored.
        team: The processes that share the work; each scores every so many batches or blocks.
    """

    model: FineTuned
    losses: tuple[Loss, ...]
    batch_size: int = 64
    block: int = 16
    tick: Callable[[int], None] = lambda _: None
    team: Team = ALONE

    @property
    def units_per_draw(self) -> int:
        """Units that share one posterior draw: 1 for LoRA, a fixed mini-batch otherwise."""
        return 1 if self.model.noise.per_row else self.block

    def at_centre(self, units: Sequence[Unit]) -> FloatArray:
        """Losses of each unit without noise, shape (losses, units)."""
        rows = _rows(units)
        return self._means(units, rows, self._score(rows, lambda _: nullcontext()))

    def under_noise(
        self,
        units: Sequence[Unit],
        sigmas: Mapping[str, Spread],
        *,
        key: NoiseKey,
        draw: int,
    ) -> FloatArray:
        """Losses of each unit under one pass of fresh posterior draws, shape (losses, units).

        Every unit, or every mini-batch of `units_per_draw` consecutive units, has a draw of its
        own, a function of the key, the pass and its place alone.

        Args:
            units: The units, always in the same order.
            sigmas: The law of each tensor's noise, for most a standard deviation; tensors not
                named get no noise, and a negative number gives the mirrored one.
            key: Whose noise.
            draw: Number of the pass.
        """
        rows = _rows(units)
        applied = self.model.noise.applied

        def with_own_draws(batch: Sequence[Row]) -> AbstractContextManager[None]:
            draws = [Draw(key=key, number=draw, unit=unit) for unit, _ in batch]
            return applied(draws, sigmas, [len(example.input_ids) for _, example in batch])

        if self.model.noise.per_row:
            return self._means(units, rows, self._score(rows, with_own_draws))
        losses = np.zeros((len(self.losses), len(rows)))
        place = np.array([unit // self.block for unit, _ in rows])
        alone = replace(self, team=ALONE)
        for block in self.team.share(range(-(-len(units) // self.block))):
            (inside,) = np.nonzero(place == block)
            with applied([Draw(key=key, number=draw, unit=block)], sigmas):
                members = [rows[i] for i in inside]
                losses[:, inside] = alone._score(members, lambda _: nullcontext())
        return self._means(units, rows, losses)

    def _score(
        self, rows: Sequence[Row], noise: Callable[[Sequence[Row]], AbstractContextManager[None]]
    ) -> FloatArray:
        """Losses of each row, in the order given; those that others of the team score are 0."""
        losses = np.zeros((len(self.losses), len(rows)))
        batches = self._batches(rows)
        self.tick(len(rows) - sum(map(len, batches)))
        if self.team.leads:
            losses[:, [example.unscorable is not None for _, example in rows]] = 1.0
        for places in self.team.share(batches):
            for fitting, found in self._fitting(rows, places, noise):
                losses[:, fitting] = found
            self.tick(len(places) * self.team.size)
        return losses

    def _fitting(
        self,
        rows: Sequence[Row],
        places: list[int],
        noise: Callable[[Sequence[Row]], AbstractContextManager[None]],
    ) -> Iterator[tuple[list[int], FloatArray]]:
        """Losses of a batch, in halves of halves where the device has not enough memory."""
        batch = [rows[i] for i in places]
        try:
            with noise(batch):
                found = self._forward([example for _, example in batch])
        except (RuntimeError, MemoryError) as error:
            if not _is_want_of_memory(error):
                raise
            if len(places) == 1:
                raise InputError(
                    f"the device has not enough memory for one example of {_length(batch[0])} "
                    "tokens; use another device, a smaller --dtype, or --device auto."
                ) from None
            found = None
        if found is not None:
            yield places, found
            return
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        middle = len(places) // 2
        for half in (places[:middle], places[middle:]):
            yield from self._fitting(rows, half, noise)

    def _batches(self, rows: Sequence[Row]) -> list[list[int]]:
        """Places of the scorable rows, those of a unit together, as they share a draw."""
        units: dict[int, list[int]] = {}
        for place, (unit, example) in enumerate(rows):
            if example.unscorable is None:
                units.setdefault(unit, []).append(place)
        batches: list[list[int]] = []
        for places in sorted(units.values(), key=lambda u: max(_length(rows[i]) for i in u)):
            if not batches or len(batches[-1]) + len(places) > self.batch_size:
                batches.append([])
            batches[-1] += places
        return batches

    def _means(self, units: Sequence[Unit], rows: Sequence[Row], losses: FloatArray) -> FloatArray:
        """Mean of each unit's rows, from what all of the team have scored."""
        sums = np.zeros((len(losses), len(units)))
        for total, row in zip(sums, self.team.sum(losses), strict=True):
            np.add.at(total, np.array([place for place, _ in rows]), row)
        return sums / np.array([len(unit) for unit in units])

    @torch.inference_mode()
    def _forward(self, examples: Sequence[Example]) -> FloatArray:
        scored = scores_of(self.model, examples)
        return np.array([_losses_of(self.losses, *pair) for pair in scored]).T


@torch.inference_mode()
def scores_of(model: FineTuned, examples: Sequence[Example]) -> list[tuple[Tensor, Tensor]]:
    """One forward pass: each example's scores (tokens, vocabulary) and scored token ids."""
    ids = token_ids(examples).to(_device(model))
    # causal models never look to the right, so padding there needs no mask
    logits = model.model(input_ids=ids, use_cache=False).logits
    ids = ids.to(logits.device)  # another one, perhaps, if the model is spread over several
    pairs = []
    for row, example in enumerate(examples):
        wanted = torch.tensor([i for i, scored in enumerate(example.scored) if scored])
        wanted = wanted.to(logits.device)
        pairs.append((logits[row, wanted - 1], ids[row, wanted]))
    return pairs


def token_ids(examples: Sequence[Example]) -> Tensor:
    """Token ids of each example with padding on its right, shape (examples, longest)."""
    longest = max(len(example.input_ids) for example in examples)
    ids = torch.zeros(len(examples), longest, dtype=torch.long)
    for row, example in enumerate(examples):
        ids[row, : len(example.input_ids)] = torch.tensor(example.input_ids)
    return ids


def _losses_of(losses: Sequence[Loss], scores: Tensor, targets: Tensor) -> list[float]:
    """Losses of one example; scores that are not finite count as loss 1."""
    if not bool(torch.isfinite(scores).all()):
        return [1.0] * len(losses)
    return [loss.compute(scores, targets) for loss in losses]


def _is_want_of_memory(error: Exception) -> bool:
    """Whether it is that: torch has an exception for it on a GPU only."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return "can't allocate memory" in str(error)


def _length(row: Row) -> int:
    return len(row[1].input_ids)


def _rows(units: Sequence[Unit]) -> list[Row]:
    return [(place, example) for place, unit in enumerate(units) for example in unit]


def _device(model: FineTuned) -> torch.device:
    return next(model.model.parameters()).device
