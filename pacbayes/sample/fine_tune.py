"""Fine-tuning the sample's base model, with LoRA there: plainly, or towards the bound."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch import Tensor, nn
from transformers import PreTrainedTokenizerFast

from pacbayes.sample.pretrain import encode_batch
from pacbayes.sample.problems import Problem
from pacbayes.training import train_objective

RANK = 8
ALPHA = 16
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
BATCH = 32


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How one model is trained.

    Attributes:
        epochs: Passes over the fine-tuning problems.
        towards_bound: Learn one noise scale for each tensor too, under a fresh draw for each
            example, with KL/n added to the loss; an adapter's A stays at its initial value.
        learning_rate: Of AdamW, falling to zero along a cosine.
        kl_weight: Weight of KL/n beside the mean loss of a whole completion in nats.
        initial_sigma: Noise scale that learning starts from, of every tensor; None for the one of
            `train_objective`, in proportion to the tensors' own scales.
    """

    epochs: int
    towards_bound: bool
    learning_rate: float
    kl_weight: float = 1.0
    initial_sigma: float | None = 0.02


def attach_adapter(base: nn.Module, *, seed: int) -> PeftModel:
    """Puts a fresh LoRA adapter on the base model: A random, B zero."""
    torch.manual_seed(seed)
    config = LoraConfig(
        task_type="CAUSAL_LM", r=RANK, lora_alpha=ALPHA, lora_dropout=0.0, target_modules=TARGETS
    )
    return get_peft_model(base, config)


def fine_tune(
    model: nn.Module,
    tokenizer: PreTrainedTokenizerFast,
    problems: Sequence[Problem],
    recipe: Recipe,
    *,
    seed: int,
    log: Callable[[str], None] = print,
) -> dict[str, float]:
    """Trains what requires a gradient in place: an adapter, or every weight.

    Returns:
        The learned noise scale of each tensor, or nothing without noise.
    """
    objective = None
    if recipe.towards_bound:
        objective = train_objective(model, n=len(problems), seed=seed)
        if recipe.initial_sigma is not None:
            nn.init.constant_(objective.log_sigmas, math.log(recipe.initial_sigma))
    weights = [p for p in model.parameters() if p.requires_grad]
    groups = [{"params": weights, "lr": recipe.learning_rate}]
    if objective is not None:
        groups.append({"params": list(objective.parameters()), "lr": 10 * recipe.learning_rate})
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.98), weight_decay=0.0)
    steps = recipe.epochs * math.ceil(len(problems) / BATCH)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda step: min(1.0, (step + 1) / 50) * 0.5 * (1 + math.cos(math.pi * step / steps)),
    )
    device = next(model.parameters()).device
    rng = random.Random(seed)
    for epoch in range(recipe.epochs):
        total = 0.0
        for batch in _batches(problems, rng):
            ids, mask = (t.to(device) for t in encode_batch(batch, tokenizer))
            context: AbstractContextManager[None] = nullcontext()
            if objective is not None:
                context = objective.noise(ids[:, :-1])
            with context:
                loss = completion_nll(model, ids, mask)
            total += loss.item() * len(batch)
            if objective is not None:
                loss = loss + recipe.kl_weight * objective.kl() / len(problems)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(weights, 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
        extra = ""
        if objective is not None:
            extra = f", KL {objective.kl().item():.0f} nats"
        log(f"epoch {epoch + 1}/{recipe.epochs}: {total / len(problems):.4f} nats{extra}")
    return {} if objective is None else objective.sigmas


def completion_nll(model: nn.Module, ids: Tensor, mask: Tensor) -> Tensor:
    """Negative log-likelihood of a whole completion in nats, mean over the batch."""
    logits = model(input_ids=ids[:, :-1]).logits[mask[:, 1:]]
    total = nn.functional.cross_entropy(logits, ids[:, 1:][mask[:, 1:]], reduction="sum")
    return total / len(ids)


def _batches(problems: Sequence[Problem], rng: random.Random) -> list[list[Problem]]:
    """Shuffled batches of problems of similar length, so that little is padded."""
    order = sorted(problems, key=lambda p: (p.difficulty, rng.random()))
    batches = [order[i : i + BATCH] for i in range(0, len(order), BATCH)]
    rng.shuffle(batches)
    return batches
