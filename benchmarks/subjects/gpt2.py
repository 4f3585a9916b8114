"""A second architecture from nothing: a small GPT-2 that learns chains of sums, then an operator.

GPT-2 has what the shipped Llama has not: learned positions, an embedding tied to the head, biases,
LayerNorm and Conv1D layers. Positions make it slow to learn the lookups by name of the sample's
problems, so that its problems are chains, worked off from the left modulo 7::

    prompt      3+5-2@4?
    completion  3+5=1;1-2=6;4-6=5

The base model never saw the operator ``@``, which subtracts the other way round; every problem of
fine-tuning holds it.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from pacbayes.sample.build import write_jsonl
from pacbayes.sample.pretrain import exact_match, make_tokenizer, train
from pacbayes.sample.problems import BASE_OPERATORS, MODULUS, VARIANT_OPERATOR, Problem
from subjects import full
from subjects.rungs import Rung
from subjects.training import once

OPERATIONS = range(1, 7)
FINE_TUNED = (5,)
N, N_HELD_OUT = 8000, 1500
_SEED = "1:gpt2"
"""Of the problems; it draws none twice, which the halves of a split prior need."""

STEPS = 2000
TOKENS_PER_STEP = 1024
LEARNING_RATE = 5e-3


def rungs(out: Path) -> list[Rung]:
    """The ladder of a full fine-tune of it."""
    base = once(out / "gpt2-base", pretrain)
    data = once(out / "gpt2-data", write_data)
    subject = full.Subject(
        name="gpt2",
        base=base,
        data=data / "chains.jsonl",
        held_out=data / "chains.held_out.jsonl",
    )
    return full.rungs(subject, out)


# Problems


def chains(rng: random.Random, operations: Sequence[int], operators: str) -> Iterator[Problem]:
    """Draws chains with these numbers of operations, forever."""
    while True:
        yield _chain(rng, rng.choice(operations), operators)


def variant_chains(rng: random.Random, operations: Sequence[int]) -> Iterator[Problem]:
    """Those that hold the operator that the base model does not know."""
    return (p for p in chains(rng, operations, BASE_OPERATORS + VARIANT_OPERATOR) if p.is_variant)


def _chain(rng: random.Random, operations: int, operators: str) -> Problem:
    value = rng.randrange(MODULUS)
    statement, steps = str(value), []
    for _ in range(operations):
        operator, operand = rng.choice(operators), rng.randrange(MODULUS)
        statement += f"{operator}{operand}"
        left, right = value, operand
        if operator == VARIANT_OPERATOR:
            operator, left, right = "-", operand, value
        value = {"+": left + right, "-": left - right, "*": left * right}[operator] % MODULUS
        steps.append(f"{left}{operator}{right}={value}")
    return Problem(prompt=f"{statement}?", completion=";".join(steps), difficulty=operations)


def write_data(folder: Path) -> None:
    """Problems to fine-tune on and held-out ones: independent draws from one distribution."""
    stream = variant_chains(random.Random(_SEED), FINE_TUNED)
    write_jsonl(folder / "chains.jsonl", list(itertools.islice(stream, N)))
    write_jsonl(folder / "chains.held_out.jsonl", list(itertools.islice(stream, N_HELD_OUT)))


# Pretraining


def make_model(tokenizer: PreTrainedTokenizerFast) -> GPT2LMHeadModel:
    """A GPT-2 of 0.61 million parameters with random weights, drawn from torch's global seed."""
    config = GPT2Config(
        vocab_size=len(tokenizer),
        n_positions=64,
        n_embd=128,
        n_layer=3,
        n_head=4,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    model = GPT2LMHeadModel(config)
    # As in the sample's Llama the default scale of 0.02 is too small; the last gain makes up for it
    # in the head, which has the same weights.
    torch.nn.init.normal_(model.transformer.wte.weight, std=0.3)
    torch.nn.init.normal_(model.transformer.wpe.weight, std=0.3)
    torch.nn.init.constant_(model.transformer.ln_f.weight, 0.3)
    return model


def _batches(rng: random.Random) -> Iterator[list[Problem]]:
    streams = {k: chains(rng, [k], BASE_OPERATORS) for k in OPERATIONS}
    for step in range(STEPS):
        k = rng.randint(1, min(len(OPERATIONS), 2 + int(step / STEPS * 40)))
        yield list(itertools.islice(streams[k], TOKENS_PER_STEP // (8 * k + 2)))


def pretrain(folder: Path) -> None:
    """Trains it on chains without the variant operator, matrices by Muon and the rest by AdamW."""
    torch.manual_seed(0)
    tokenizer = make_tokenizer()
    tokenizer.model_max_length = 64
    model: Any = make_model(tokenizer)

    def told(step: int, batch: list[Problem], loss: float) -> None:
        if step % 250 == 0:
            k = batch[0].difficulty
            print(f"step {step}/{STEPS}: operations {k}, loss {loss:.4f}", flush=True)

    train(
        model,
        tokenizer,
        _batches(random.Random(0)),
        steps=STEPS,
        learning_rate=LEARNING_RATE,
        told=told,
        is_matrix=lambda name, parameter: parameter.ndim == 2 and ".h." in name,
    )
    model.eval().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    for name, stream in (
        ("known operators", chains(random.Random(1), FINE_TUNED, BASE_OPERATORS)),
        ("variant", variant_chains(random.Random(1), FINE_TUNED)),
    ):
        found = exact_match(model, tokenizer, list(itertools.islice(stream, 1000)))
        print(f"exact match of the base, {name}: {found}", flush=True)
