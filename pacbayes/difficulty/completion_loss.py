"""Difficulty as the loss of a model on the completion: mean negative log-likelihood of its tokens.

The model must not have been trained on the data that is scored: it would call easy what it knows
by heart, and strata cut by such a score depend on the labels.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from pacbayes.data.encode import Example, encode
from pacbayes.difficulty.batches import in_halves
from pacbayes.difficulty.scores import Item, Layout, Score
from pacbayes.models.plain import PlainModel
from pacbayes.risk import token_ids

UNLIMITED = 1 << 30
"""A length in tokens that no record has."""

_DECIMALS = 6
"""Of the loss in nats: float32 gives no more, and what is beyond depends on the batch."""


@dataclass(frozen=True, kw_only=True)
class LossScorer:
    """Scores completions with one model.

    Attributes:
        model: The model.
        batch_size: Records in one forward pass; changes memory and speed only.
        layout: Where prompt and completion are.
    """

    model: PlainModel
    batch_size: int
    layout: Layout = field(default_factory=Layout)

    @property
    def settings(self) -> Mapping[str, Any]:
        """See `Scorer`."""
        return {
            "by": "loss",
            "model": [source.sha256 for source in self.model.sources],
            "dtype": str(next(self.model.model.parameters()).dtype),
        }

    @property
    def chunk(self) -> int:
        """See `Scorer`."""
        return 8 * self.batch_size

    @property
    def checks_first(self) -> bool:
        """See `Scorer`."""
        return True

    def check(self, item: Item) -> None:
        """See `Scorer`.

        Raises:
            InputError: The item is no record, or does not fit the tokenizer.
        """
        self._encoded(item)

    def score(self, items: Sequence[Item]) -> list[Score]:
        """See `Scorer`."""
        examples = [self._encoded(item) for item in items]
        reasons = [self._unscorable(example) for example in examples]
        places = [i for i, reason in enumerate(reasons) if reason is None]
        places.sort(key=lambda i: len(examples[i].input_ids))
        losses: dict[int, float] = {}
        for start in range(0, len(places), self.batch_size):
            batch = places[start : start + self.batch_size]
            found = in_halves(self._losses, [examples[i] for i in batch])
            losses.update(zip(batch, found, strict=True))
        return [_score(losses.get(i), reason) for i, reason in enumerate(reasons)]

    def _encoded(self, item: Item) -> Example:
        return encode(item.record(self.layout), self.model.tokenizer, max_length=UNLIMITED)

    def _unscorable(self, example: Example) -> str | None:
        if len(example.input_ids) > self.model.context:
            return "longer than the model's context"
        return example.unscorable

    @torch.inference_mode()
    def _losses(self, examples: Sequence[Example]) -> list[float]:
        """Return the loss of each example, in nats per scored token."""
        network: Any = self.model.model
        ids = token_ids(examples).to(next(network.parameters()).device)
        # causal models never look to the right, so padding there needs no mask
        logits = network(input_ids=ids, use_cache=False).logits
        losses = []
        for row, example in enumerate(examples):
            wanted = torch.tensor([i for i, scored in enumerate(example.scored) if scored])
            wanted = wanted.to(ids.device)
            log_p = logits[row, wanted - 1].double().log_softmax(-1)
            losses.append(-float(log_p.gather(-1, ids[row, wanted][:, None]).mean()))
        return losses


def _score(loss: float | None, reason: str | None) -> Score:
    if loss is None:
        return Score(missing=reason)
    if not math.isfinite(loss):
        return Score(missing="the model's loss is not finite")
    return Score(difficulty=round(loss, _DECIMALS))
