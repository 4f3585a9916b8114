"""Opening a model by itself, to generate and to score with, without a prior to compare it with."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from torch import nn

from pacbayes.errors import InputError
from pacbayes.models import folder as folders
from pacbayes.models.adapter import base_folder_of, load_adapter, read_adapter
from pacbayes.models.loading import (
    OpenOptions,
    Source,
    context_of,
    load_model,
    load_tokenizer,
    source_of,
)


@dataclass(frozen=True, kw_only=True)
class PlainModel:
    """A model with its tokenizer.

    Attributes:
        model: The model, in evaluation mode.
        tokenizer: The tokenizer of the folder or of its base.
        context: Longest sequence the model reads, in tokens.
        sources: The folders it was read from: the checkpoint, and the base of an adapter.
    """

    model: nn.Module
    tokenizer: Any
    context: int
    sources: tuple[Source, ...]


def open_plain(options: OpenOptions) -> PlainModel:
    """Opens a Hugging Face folder, or an adapter on its base; `options.prior` is not looked at.

    Raises:
        InputError: Anything missing, unreadable, not finite or not matching, in one line.
    """
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    if folders.config_name(options.checkpoint) == folders.ADAPTER_CONFIG:
        return _adapter(options)
    if options.base is not None:
        raise InputError("is a full model; --base is for adapters.", path=options.checkpoint)
    model = load_model(options.checkpoint, options)
    return PlainModel(
        model=options.place(model),
        tokenizer=load_tokenizer(options.checkpoint, options.checkpoint, model),
        context=context_of(model),
        sources=(source_of(options.checkpoint, options),),
    )


def _adapter(options: OpenOptions) -> PlainModel:
    config, tensors = read_adapter(options)
    base_folder = base_folder_of(config, options)
    base = load_model(base_folder, options)
    tokenizer = load_tokenizer(options.checkpoint, base_folder, base)
    adapted: Any = options.place(load_adapter(base, config, tensors, options))
    return PlainModel(
        model=adapted.get_base_model(),  # its layers hold the adapter
        tokenizer=tokenizer,
        context=context_of(base),
        sources=(source_of(options.checkpoint, options), source_of(base_folder, options)),
    )
