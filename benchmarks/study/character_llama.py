"""A small Llama that reads one character at a time, trained from nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from pacbayes.sample.pretrain import completion_loss, encode_batch
from pacbayes.sample.problems import Problem

CONTEXT = 256


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Size of a model and of its training.

    Attributes:
        width: Hidden size.
        layers: Number of layers.
        heads: Attention heads.
        steps: Gradient steps.
        tokens: Characters in a step, about.
        rate: Learning rate at its highest.
    """

    width: int
    layers: int
    heads: int
    steps: int
    tokens: int
    rate: float


def train(
    shape: Shape,
    characters: str,
    batches: Iterable[list[Problem]],
    *,
    seed: int,
    device: str,
    log: Callable[[str], None],
) -> tuple[Any, PreTrainedTokenizerFast, int]:
    """Train a model to predict completions, and their ends.

    Matrices are trained by Muon, the rest by AdamW, as the shipped sample's base model is.

    Args:
        shape: Of the model.
        characters: All that texts consist of.
        batches: A batch for each step.
        seed: Of the first weights.
        device: Where to train.
        log: Told the loss now and then.

    Returns:
        The model, its tokenizer and the number of predicted tokens.
    """
    torch.manual_seed(seed)
    tokenizer = make_tokenizer(characters)
    model: Any = make_model(tokenizer, shape).to(device)
    optimizers = _optimizers(model)
    seen = 0
    for step, batch in zip(range(shape.steps), batches, strict=False):
        ids, mask = encode_batch(batch, tokenizer)
        seen += int(mask.sum())
        loss = completion_loss(model, ids.to(device), mask.to(device))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        _step(optimizers, _rate(shape, step))
        if (step + 1) % 100 == 0:
            log(f"step {step + 1}/{shape.steps}: {loss.item():.4f} nats a character")
    return model.eval(), tokenizer, seen


def make_tokenizer(characters: str) -> PreTrainedTokenizerFast:
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


def make_model(tokenizer: PreTrainedTokenizerFast, shape: Shape) -> LlamaForCausalLM:
    """A Llama with random weights, drawn from torch's global seed."""
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=shape.width,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.heads,
        intermediate_size=shape.width * 5 // 2,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=False,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    model = LlamaForCausalLM(config)
    # at the default scale of 0.02 copying is learned late or never
    torch.nn.init.normal_(model.model.embed_tokens.weight, std=1.0)
    return model


def _optimizers(model: torch.nn.Module) -> list[torch.optim.Optimizer]:
    matrices = [p for n, p in model.named_parameters() if n.endswith("_proj.weight")]
    others = [p for n, p in model.named_parameters() if not n.endswith("_proj.weight")]
    return [
        torch.optim.Muon(matrices, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, betas=(0.9, 0.98), weight_decay=0.0),
    ]


def _rate(shape: Shape, step: int) -> float:
    done = step / shape.steps
    return shape.rate * min(1.0, (step + 1) / 100) * 0.5 * (1 + math.cos(math.pi * done))


def _step(optimizers: Sequence[torch.optim.Optimizer], rate: float) -> None:
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.step()
        optimizer.zero_grad()
