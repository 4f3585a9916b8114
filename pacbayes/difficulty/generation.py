"""Answers of a model to prompts, sampled with noise that each sample has for itself.

The random number behind a token is a function of seed, record, sample and place alone, so that
neither the batch, nor the order, nor where an interrupted run goes on changes what is drawn. What
remains is rounding: other batches may round a probability differently, by about 1e-7 in float32,
and then a token differs about as rarely as that; in bfloat16 not so rarely.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from transformers import GenerationConfig, LogitsProcessor

from pacbayes.difficulty.batches import in_halves
from pacbayes.models.plain import PlainModel
from pacbayes.posteriors.noise import Draw, NoiseKey, Stream


@dataclass(frozen=True, kw_only=True)
class Query:
    """One answer that is wanted.

    Attributes:
        prompt: Token ids.
        record, sample: What the answer's noise is keyed by: which record, which of its samples.
        limit: The most tokens of the answer.
    """

    prompt: tuple[int, ...]
    record: int
    sample: int
    limit: int


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the model wrote, without end token, and whether it came to its end."""

    text: str
    ended: bool


@dataclass(frozen=True, kw_only=True)
class Generator:
    """Generates with one model.

    Attributes:
        model: The model.
        seed: Seed of all noise.
        temperature: Divides the scores before sampling; 0 takes the most likely token always.
        batch_size: Answers generated together; changes memory and speed only.
    """

    model: PlainModel
    seed: int
    temperature: float
    batch_size: int
    ends: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        network: Any = self.model.model
        object.__setattr__(self, "ends", _end_tokens(self.model))
        # penalties, forced tokens and limits that a folder suggests would go in silently
        network.generation_config = GenerationConfig()

    def answers(self, queries: Sequence[Query]) -> list[Answer]:
        """Return the answer to each query, in their order."""
        found: dict[int, Answer] = {}
        for places in self._batches(queries):
            batch = [queries[place] for place in places]
            found.update(zip(places, in_halves(self._batch, batch), strict=True))
        return [found[place] for place in range(len(queries))]

    def _batches(self, queries: Sequence[Query]) -> list[list[int]]:
        """Places of queries with one limit, so that none is generated beyond its own."""
        batches: list[list[int]] = []
        order = sorted(
            range(len(queries)), key=lambda i: (queries[i].limit, len(queries[i].prompt))
        )
        for place in order:
            fits = batches and queries[batches[-1][0]].limit == queries[place].limit
            if not fits or len(batches[-1]) == self.batch_size:
                batches.append([])
            batches[-1].append(place)
        return batches

    @torch.inference_mode()
    def _batch(self, batch: Sequence[Query]) -> list[Answer]:
        network: Any = self.model.model
        device = next(network.parameters()).device
        ids, mask = _padded([query.prompt for query in batch])
        steps = batch[0].limit
        sampler = [KeyedSampler(batch, steps, self.seed, self.temperature, ids.shape[1])]
        config = GenerationConfig(
            max_new_tokens=steps,
            do_sample=False,
            num_beams=1,
            eos_token_id=list(self.ends) or None,
            pad_token_id=self.ends[0] if self.ends else 0,
        )
        out = network.generate(
            input_ids=ids.to(device),
            attention_mask=mask.to(device),
            generation_config=config,
            logits_processor=sampler if self.temperature > 0 else None,
        )
        return [self._answer(row) for row in out[:, ids.shape[1] :].tolist()]

    def _answer(self, ids: list[int]) -> Answer:
        end = next((place for place, token in enumerate(ids) if token in self.ends), None)
        text = self.model.tokenizer.decode(
            ids[:end], skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return Answer(text=text, ended=end is not None)


class KeyedSampler(LogitsProcessor):  # type: ignore[misc]
    """Draws the next token of each row and leaves only it to choose.

    A token is drawn by inverting the distribution function, in float64, at a uniform number of the
    row's own.
    """

    def __init__(
        self, batch: Sequence[Query], steps: int, seed: int, temperature: float, width: int
    ) -> None:
        key = NoiseKey(seed=seed, stream=Stream.GENERATION, stratum=0)
        rows = [
            uniforms(Draw(key=key, number=query.sample, unit=query.record), steps)
            for query in batch
        ]
        self._uniforms = torch.stack(rows)
        self._temperature = temperature
        self._width = width

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Return scores that are -inf except at the drawn token, shape (rows, vocabulary)."""
        at = self._uniforms[:, input_ids.shape[1] - self._width].to(scores.device)
        drawn = inverted((scores.double() / self._temperature).softmax(-1), at)
        chosen = torch.full_like(scores, -torch.inf)
        return chosen.scatter(-1, drawn[:, None], 0.0)


def uniforms(draw: Draw, size: int) -> Tensor:
    """Return numbers of a draw, uniform on the multiples of 2^-53 in [0, 1), shape (size,)."""
    words = draw.bits(0).random_raw(size)
    return torch.from_numpy((words >> 11) * 2.0**-53)


def inverted(probabilities: Tensor, at: Tensor) -> Tensor:
    """Return the least category of each row up to which more probability lies than `at`.

    Args:
        probabilities: Shape (rows, categories), float64; rows of 0 are not allowed.
        at: Shape (rows,), in [0, 1).
    """
    upto = probabilities.cumsum(-1)
    # rounding may leave the sum below 1, and then a number above it
    wanted = (at * upto[:, -1]).clamp(max=torch.nextafter(upto[:, -1], upto[:, -1] * 0))
    found = torch.searchsorted(upto, wanted[:, None], right=True)[:, 0]
    return found.clamp(max=upto.shape[-1] - 1)  # where nothing is finite


def _end_tokens(model: PlainModel) -> tuple[int, ...]:
    network: Any = model.model
    noted = getattr(network.generation_config, "eos_token_id", None)
    noted = noted if isinstance(noted, list) else [noted]
    found = [*noted, model.tokenizer.eos_token_id]
    return tuple(dict.fromkeys(int(token) for token in found if token is not None))


def _padded(prompts: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Token ids with padding on their left, and where they are, shape (prompts, longest) both."""
    longest = max(map(len, prompts))
    ids = torch.zeros(len(prompts), longest, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, prompt in enumerate(prompts):
        ids[row, longest - len(prompt) :] = torch.tensor(prompt)
        mask[row, longest - len(prompt) :] = 1
    return ids, mask
