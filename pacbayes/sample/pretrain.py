"""The sample's base model: a small Llama, its tokenizer, and their training from nothing."""

from __future__ import annotations

import itertools
import math
import random
import string
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from pacbayes.sample.problems import NAMES, Problem, pretraining_problems

MOST_OPERATIONS = 10
CONTEXT = 256
STEPS = 5000
TOKENS_PER_STEP = 2048
LEARNING_RATE = 5e-3


CHARACTERS = string.digits + NAMES + "=;?+-*@#&"


def make_tokenizer(characters: str = CHARACTERS) -> PreTrainedTokenizerFast:
    """One token per character, a beginning-of-sequence token in front, an end token to stop at."""
    special = ["<pad>", "<bos>", "<eos>", "<unk>"]
    vocabulary = {token: i for i, token in enumerate([*special, *characters])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    tokenizer.decoder = decoders.Fuse()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<bos> $A", special_tokens=[("<bos>", vocabulary["<bos>"])]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        bos_token="<bos>",
        eos_token="<eos>",
        unk_token="<unk>",
        model_max_length=CONTEXT,
    )


@dataclass(frozen=True, kw_only=True)
class Shape:
    """How large a model is; the heads share its width, of which feed-forward layers have 5/2."""

    width: int = 128
    layers: int = 4
    heads: int = 4


SHIPPED = Shape()


def make_model(tokenizer: PreTrainedTokenizerFast, shape: Shape = SHIPPED) -> LlamaForCausalLM:
    """A Llama with random weights, drawn from torch's global seed; the shipped has 0.77 million."""
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=shape.width,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.heads,
        intermediate_size=5 * shape.width // 2,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=False,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    model = LlamaForCausalLM(config)
    # At the default scale of 0.02 the embeddings move by more than their own length while the
    # model learns, and looking up a quantity's value, an induction head, was never learned.
    torch.nn.init.normal_(model.model.embed_tokens.weight, std=1.0)
    return model


def encode_batch(
    problems: list[Problem], tokenizer: PreTrainedTokenizerFast
) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and the mask of completion tokens, both (batch, longest), padded on the right."""
    prompts = [tokenizer(p.prompt).input_ids for p in problems]
    completions = [
        [*tokenizer(p.completion, add_special_tokens=False).input_ids, tokenizer.eos_token_id]
        for p in problems
    ]
    longest = max(len(a) + len(b) for a, b in zip(prompts, completions, strict=True))
    ids = torch.full((len(problems), longest), tokenizer.pad_token_id)
    mask = torch.zeros(len(problems), longest, dtype=torch.bool)
    for row, (a, b) in enumerate(zip(prompts, completions, strict=True)):
        ids[row, : len(a) + len(b)] = torch.tensor(a + b)
        mask[row, len(a) : len(a) + len(b)] = True
    return ids, mask


def completion_loss(model: torch.nn.Module, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Mean negative log-likelihood of the completion tokens, in nats per token."""
    logits = model(input_ids=ids[:, :-1]).logits[mask[:, 1:]]
    return torch.nn.functional.cross_entropy(logits, ids[:, 1:][mask[:, 1:]])


def pretrain(
    *,
    seed: int,
    device: str,
    steps: int = STEPS,
    most_operations: int = MOST_OPERATIONS,
    tokens_per_step: int = TOKENS_PER_STEP,
    learning_rate: float = LEARNING_RATE,
    shape: Shape = SHIPPED,
    log: Callable[[str], None] = print,
) -> tuple[LlamaForCausalLM, PreTrainedTokenizerFast]:
    """Trains the base model from nothing on problems without the variant operator.

    A step takes problems of one length, and the longest allowed grows over the first part of
    training up to `most_operations`. Matrices are trained by Muon, the rest by AdamW: it needs
    several times fewer tokens here than AdamW alone.
    """
    torch.manual_seed(seed)
    tokenizer = make_tokenizer()
    model: Any = make_model(tokenizer, shape)

    def told(step: int, batch: list[Problem], loss: float) -> None:
        if step % 500 == 0:
            k = batch[0].difficulty
            log(f"pretraining step {step}/{steps}: operations {k}, loss {loss:.4f}")

    batches = _batches(random.Random(seed), steps, most_operations, tokens_per_step)
    train(
        model.to(device),
        tokenizer,
        batches,
        steps=steps,
        learning_rate=learning_rate,
        told=told,
    )
    return model.eval(), tokenizer


def _batches(
    rng: random.Random, steps: int, most_operations: int, tokens_per_step: int
) -> Iterator[list[Problem]]:
    streams = {k: pretraining_problems(rng, [k]) for k in range(1, most_operations + 1)}
    for step in range(steps):
        longest = min(most_operations, 2 + int(step / steps * 40))
        k = rng.randint(1, longest)
        yield list(itertools.islice(streams[k], max(8, tokens_per_step // (15 * k + 8))))


def train(
    model: torch.nn.Module,
    tokenizer: PreTrainedTokenizerFast,
    batches: Iterator[list[Problem]],
    *,
    steps: int,
    learning_rate: float,
    told: Callable[[int, list[Problem], float], None],
    is_matrix: Callable[[str, torch.nn.Parameter], bool] = lambda name, _: name.endswith(
        "_proj.weight"
    ),
) -> int:
    """Train a model to predict completions and their ends, matrices by Muon, the rest by AdamW.

    Args:
        model: The model, on its device.
        tokenizer: Its tokenizer.
        batches: A batch for each step.
        steps: Their number; the learning rate rises for 100 of them and falls to 0 along a cosine.
        learning_rate: At its highest.
        told: Told the number of steps done, the last batch and its mean loss in nats per token.
        is_matrix: Which parameters are such matrices, by name and value; those of a Llama's layers.

    Returns:
        The number of tokens that were predicted.
    """
    matrices = [p for n, p in model.named_parameters() if is_matrix(n, p)]
    others = [p for n, p in model.named_parameters() if not is_matrix(n, p)]
    optimizers: list[torch.optim.Optimizer] = [
        torch.optim.Muon(matrices, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, betas=(0.9, 0.98), weight_decay=0.0),
    ]
    device = next(model.parameters()).device
    predicted = 0
    for step, batch in zip(range(steps), batches, strict=True):
        done = step / steps
        rate = learning_rate * min(1.0, (step + 1) / 100) * 0.5 * (1 + math.cos(math.pi * done))
        ids, mask = encode_batch(batch, tokenizer)
        predicted += int(mask.sum())
        loss = completion_loss(model, ids.to(device), mask.to(device))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.step()
            optimizer.zero_grad()
        told(step + 1, batch, loss.item())
    return predicted


@torch.no_grad()
def exact_match(
    model: torch.nn.Module, tokenizer: PreTrainedTokenizerFast, problems: list[Problem]
) -> float:
    """Share of problems whose every completion token, the end token too, is the argmax."""
    right = 0
    device = next(model.parameters()).device
    for start in range(0, len(problems), 128):
        ids, mask = (t.to(device) for t in encode_batch(problems[start : start + 128], tokenizer))
        hit = model(input_ids=ids[:, :-1]).logits.argmax(-1) == ids[:, 1:]
        right += int((hit | ~mask[:, 1:]).all(1).sum())
    return right / len(problems)
