"""Fine-tuning a base model on one file with transformers' Trainer."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pacbayes.data.encode import Example, encode
from pacbayes.data.records import read_jsonl
from pacbayes.errors import InputError
from pacbayes.files import write_atomically
from pacbayes.models.loading import (
    NOTES,
    OpenOptions,
    context_of,
    load_model,
    load_tokenizer,
)
from pacbayes.models.writing import saving
from pacbayes.sweep.recipe import Recipe
from pacbayes.training import TrainObjective, train_objective

INITIAL = "initial_adapter"
_IGNORED = -100
_NOISE = 0.3
"""Where the noise of the objective `bound` starts, in units of the prior's scales."""
_SCALES_RATE = 10.0
"""Learning rate of the noise's scales relative to that of the weights."""


def fine_tune(base: Path, data: Path, folder: Path, recipe: Recipe, *, n: int, seed: int) -> None:
    """Train on a file and save a checkpoint, with its prior noted where it is not the base.

    Initial values and the order of the records are drawn globally: call it within `seeded`.

    Args:
        base: Folder of the base model.
        data: JSONL to train on.
        folder: Where the checkpoint goes: for LoRA the adapter, the adapter before training and
            `pacbayes.json`; for a full fine-tune the model and its tokenizer.
        recipe: How to train.
        n: Independent units in the data.
        seed: Of the noise, and of whatever the Trainer draws.

    Raises:
        InputError: The model or the data cannot be read, or no record fits into the context.
    """
    model, tokenizer = open_trainable(base, recipe)
    examples = read_examples(data, tokenizer, context_of(model))
    if recipe.method == "lora":
        _save_adapter(model, folder / INITIAL)
    objective = objective_of(model, recipe, n=n, seed=seed)
    _train(model, examples, folder, recipe, objective, recipe.kl_weight / n, seed)
    if recipe.method == "lora":
        _save_adapter(model, folder)
        notes = f'{{"initial_adapter": "{INITIAL}"}}\n'
        write_atomically(folder / NOTES, notes.encode())
    else:
        with saving(folder) as partial:
            model.save_pretrained(str(partial))
            tokenizer.save_pretrained(str(partial))
    if objective is not None:
        objective.save(folder)


def open_trainable(base: Path, recipe: Recipe) -> tuple[Any, Any]:
    """The base in float32 on its device, with a fresh adapter if wanted; and its tokenizer."""
    model = load_model(base, OpenOptions(checkpoint=base))
    tokenizer = load_tokenizer(base, base, model)
    if recipe.method == "lora":
        from peft import LoraConfig, get_peft_model

        names = list(recipe.lora_targets)
        config = LoraConfig(
            task_type="CAUSAL_LM",
            r=recipe.lora_rank,
            lora_alpha=recipe.lora_alpha,
            lora_dropout=0.0,
            target_modules=names[0] if names == ["all-linear"] else names,
        )
        model = get_peft_model(model, config)
        model.peft_config["default"].base_model_name_or_path = str(base.resolve())
    return model.to(recipe.device), tokenizer


def objective_of(model: Any, recipe: Recipe, *, n: int, seed: int) -> TrainObjective | None:
    """What holds the posterior's noise while it is learned, if it is."""
    if recipe.objective == "plain":
        return None
    return train_objective(
        model, n=n, delta=recipe.delta, loss=recipe.loss, noise=_NOISE, seed=seed
    )


def read_examples(data: Path, tokenizer: Any, context: int) -> list[Example]:
    """The records of a file as tokens, without those that are longer than the context."""
    records = read_jsonl(data, stratum_field="")
    examples = [encode(record, tokenizer, max_length=context) for record in records]
    fitting = [example for example in examples if example.unscorable is None]
    if not fitting:
        raise InputError(f"no record fits into the context of {context} tokens.", path=data)
    return fitting


def batch_of(examples: Sequence[Example]) -> dict[str, Tensor]:
    """Examples as a batch, padded on the right: ids, labels and attention mask (rows, tokens)."""
    longest = max(len(example.input_ids) for example in examples)
    shape = (len(examples), longest)
    ids, mask = torch.zeros(shape, dtype=torch.long), torch.zeros(shape, dtype=torch.long)
    labels = torch.full(shape, _IGNORED)
    for row, example in enumerate(examples):
        length = len(example.input_ids)
        ids[row, :length] = torch.tensor(example.input_ids)
        mask[row, :length] = 1
        scored = torch.tensor(example.scored)
        labels[row, :length] = torch.where(scored, ids[row, :length], _IGNORED)
    return {"input_ids": ids, "labels": labels, "attention_mask": mask}


def noisy_loss(
    model: nn.Module, batch: dict[str, Tensor], objective: TrainObjective, kl_share: float
) -> Tensor:
    """Mean loss of whole completions under a draw of the posterior for each row, plus its KL.

    Args:
        model: The model.
        batch: From `batch_of`.
        objective: Holds the posterior.
        kl_share: Weight of the KL.
    """
    ids, labels = batch["input_ids"], batch["labels"][:, 1:]
    with objective.noise(ids):
        logits = model(input_ids=ids).logits
    total = nn.functional.cross_entropy(
        logits[:, :-1].flatten(0, 1), labels.flatten(), ignore_index=_IGNORED, reduction="sum"
    )
    return total / len(ids) + kl_share * objective.kl().to(total)


def _train(
    model: Any,
    examples: Sequence[Example],
    folder: Path,
    recipe: Recipe,
    objective: TrainObjective | None,
    kl_share: float,
    seed: int,
) -> None:
    from transformers import PrinterCallback, Trainer, TrainingArguments

    steps = recipe.steps_for(len(examples))
    arguments = TrainingArguments(
        output_dir=str(folder),
        max_steps=steps,
        per_device_train_batch_size=recipe.train_batch_size,
        learning_rate=recipe.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=steps // 20,
        weight_decay=0.0,
        seed=seed,
        data_seed=seed,
        use_cpu=recipe.device == "cpu",
        remove_unused_columns=False,
        save_strategy="no",
        logging_strategy="no",
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=recipe.device != "cpu",
    )

    kind: Any = Trainer
    if objective is not None:
        kind = _bound_trainer(objective, kl_share, _SCALES_RATE * recipe.learning_rate)
    trainer = kind(
        model=model, args=arguments, train_dataset=list(examples), data_collator=batch_of
    )
    trainer.remove_callback(PrinterCallback)  # stdout is for `--json`
    trainer.train()
    model.eval()


def _bound_trainer(objective: TrainObjective, kl_share: float, rate: float) -> Any:
    """A Trainer with `noisy_loss`, whose optimiser has the noise's scales too."""
    from transformers import Trainer

    class BoundTrainer(Trainer):
        def compute_loss(self, model: Any, inputs: Any, *_: Any, **__: Any) -> Tensor:
            return noisy_loss(model, inputs, objective, kl_share)

        def create_optimizer(self, *arguments: Any) -> Any:
            optimizer = super().create_optimizer(*arguments)
            objective.add_to(optimizer, lr=rate)
            return optimizer

    return BoundTrainer


def _save_adapter(model: Any, folder: Path) -> None:
    with saving(folder) as partial:
        model.save_pretrained(str(partial), save_embedding_layers=False)
        (partial / "README.md").unlink(missing_ok=True)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Global random numbers from a seed, as peft and the Trainer know no others; put back after."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    python, legacy = random.getstate(), np.random.get_state()  # noqa: NPY002
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(legacy)  # noqa: NPY002
