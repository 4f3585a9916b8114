"""LoRA adapters of the shipped Llama, from a prior of somebody careless to half of the data."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from pacbayes.sample.build import TOWARDS_BOUND
from pacbayes.sample.fine_tune import Recipe, attach_adapter, fine_tune
from subjects.rungs import Rung
from subjects.training import (
    LLAMA,
    SAMPLE,
    halves,
    load,
    note,
    once,
    problems_of,
    tokenizer_of,
)

GENTLY = Recipe(epochs=1, towards_bound=False, learning_rate=1e-4)


def rungs(level: str, out: Path) -> list[Rung]:
    """The ladder of one level of the shipped data."""
    adapters, initial = SAMPLE / "adapters", SAMPLE / "initial_adapter"
    data = SAMPLE / "data" / f"{level}.jsonl"
    held_out = SAMPLE / "data" / f"{level}.held_out.jsonl"
    zero = once(out / "zero", lambda folder: _zeros(adapters / f"{level}-plain", folder))
    plain = Rung(
        name="prior at A₀",
        checkpoint=adapters / f"{level}-plain",
        prior=initial,
        data=data,
        held_out=held_out,
        settings={"gauge": False},
    )
    trained = replace(
        plain, name="trained towards it", checkpoint=adapters / level, prior=None, settings={}
    )
    split = _split(level, data, out, held_out)
    alike = {"family": "isotropic", "prior_scale": 0.5}
    return [
        replace(
            plain, name="one scale", prior=zero, settings={"family": "isotropic", "gauge": False}
        ),
        replace(plain, name="a scale each", prior=zero),
        plain,
        replace(plain, name="gauge", settings={}),
        replace(plain, name="optimised", settings={"optimize": 250, "optimize_rate": 0.05}),
        trained,
        replace(
            trained,
            name="trained, optimised",
            settings={"optimize": 300, "optimize_rate": 0.01},
        ),
        split,
        replace(split, name="split prior, noise alike", settings=alike),
    ]


def _split(level: str, data: Path, out: Path, held_out: Path) -> Rung:
    """An adapter trained on the first half, and the same after a further epoch on the second."""
    first, second = halves(data, out)
    prior, posterior = out / f"{level}-first", out / f"{level}-split"

    def make() -> None:
        if posterior.is_dir():
            return
        tokenizer = tokenizer_of(LLAMA)
        model = attach_adapter(load(LLAMA), seed=0)
        recipe = replace(TOWARDS_BOUND[level], epochs=8)  # half of the data
        sigmas = fine_tune(model, tokenizer, problems_of(first), recipe, seed=0)
        once(prior, lambda folder: _save(model, folder, sigmas))
        fine_tune(model, tokenizer, problems_of(second), GENTLY, seed=1)
        once(posterior, lambda folder: _save(model, folder, sigmas))

    return Rung(
        name="split prior",
        checkpoint=posterior,
        prior=prior,
        data=second,
        held_out=held_out,
        prior_data=first,
        make=make,
    )


def _save(model: Any, folder: Path, sigmas: dict[str, float]) -> None:
    model.peft_config["default"].base_model_name_or_path = str(LLAMA)
    model.save_pretrained(str(folder), save_embedding_layers=False)
    note(folder, sigmas)


def _zeros(like: Path, folder: Path) -> None:
    """An adapter of zeros: the prior of somebody who did not keep the initial one."""
    folder.mkdir(parents=True)
    (folder / "adapter_config.json").write_bytes((like / "adapter_config.json").read_bytes())
    tensors = load_file(like / "adapter_model.safetensors")
    zeros = {name: torch.zeros_like(tensor) for name, tensor in tensors.items()}
    save_file(zeros, folder / "adapter_model.safetensors", metadata={"format": "pt"})
