"""Small model folders and their files, as the attacks on them begin with them."""

from __future__ import annotations

import io
import json
import os
import pickle
import random
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor

_MODULE = "base_model.model.model.layers.0.self_attn.{}.lora_{}.weight"


def factors(width: int = 4) -> dict[str, Tensor]:
    """The factors of an adapter of rank 2 on two square modules."""
    chance = torch.Generator().manual_seed(0)
    return {
        _MODULE.format(module, factor): torch.randn(shape, generator=chance)
        for module in ("q_proj", "v_proj")
        for factor, shape in (("A", (2, width)), ("B", (width, 2)))
    }


def safetensors(tensors: dict[str, Tensor]) -> bytes:
    """A file of weights."""
    return save(tensors, {"format": "pt"})


def variants() -> list[dict[str, Tensor]]:
    """Weights of other types, empty, without a shape."""
    plain = factors()
    kinds = (torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.float8_e4m3fn)
    others = [{name: tensor.to(kind) for name, tensor in plain.items()} for kind in kinds]
    return [*others, {}, {"a": torch.ones(())}, {"a": torch.ones(0, 4)}, {"a\nb": torch.ones(2)}]


def weights(_: Path) -> list[bytes]:
    """Files of weights, good and bad."""
    plain = safetensors(factors())
    return [plain, *map(safetensors, variants()), plain[:40], b"", plain + b"0"]


def adapter_config(**changes: Any) -> bytes:
    """A plain LoRA adapter's configuration."""
    plain = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": "base",
        "r": 2,
        "lora_alpha": 4,
        "target_modules": ["q_proj", "v_proj"],
        "init_lora_weights": True,
        "bias": "none",
        "rank_pattern": {},
        "alpha_pattern": {},
        "layers_to_transform": None,
        "modules_to_save": None,
        "use_dora": False,
        "use_rslora": False,
        "megatron_config": None,
    }
    return json.dumps(plain | changes).encode()


HOSTILE_ADAPTERS: tuple[dict[str, Any], ...] = (
    *({"r": 10**12}, {"r": 0}, {"r": -1}, {"r": 2.0}, {"r": True}, {"lora_alpha": 1e308}),
    *({"target_modules": "(a+)+$"}, {"target_modules": []}, {"target_modules": [1]}),
    *(
        {"rank_pattern": {"(a*)*b": 2}},
        {"alpha_pattern": {"q_proj": 8}},
        {"rank_pattern": {"q": 9}},
    ),
    *({"megatron_config": {"a": 1}, "megatron_core": "os"}, {"use_dora": True}, {"peft_type": []}),
    *({"base_model_name_or_path": name} for name in ("../" * 9, "/dev/zero", "\0", "x" * 5000, 7)),
    *({"layer_replication": [[0, 10**9]]}, {"exclude_modules": "(.*)*"}, {"init_lora_weights": 3}),
)
"""Changes of an adapter's configuration that must not do what they ask for."""


_WIDTH = 8


def adapter_weights() -> bytes:
    """Factors for the model of `model_files`."""
    return safetensors(factors(_WIDTH))


@lru_cache
def model_files() -> dict[str, bytes]:
    """The files of a model of a few thousand weights, with its tokenizer."""
    from transformers import LlamaConfig, LlamaForCausalLM
    from transformers.utils import logging

    from pacbayes.sample.pretrain import make_tokenizer

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    os.environ["HF_HUB_OFFLINE"] = "1"
    tokenizer = make_tokenizer()
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=_WIDTH,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        intermediate_size=8,
        max_position_embeddings=32,
        tie_word_embeddings=False,
    )
    with TemporaryDirectory() as name:
        LlamaForCausalLM(config).save_pretrained(name)
        tokenizer.save_pretrained(name)
        return {path.name: path.read_bytes() for path in sorted(Path(name).iterdir())}


HOSTILE_MODELS: tuple[dict[str, Any], ...] = (
    *({"auto_map": {"AutoConfig": "evil.Config"}}, {"attn_implementation": "evil/kernel"}),
    *({"transformers_weights": "../x.safetensors"}, {"model_type": "evil"}, {"model_type": []}),
    *({name: 10**12} for name in ("hidden_size", "vocab_size", "num_hidden_layers", "head_dim")),
    *({"num_attention_heads": 0}, {"max_position_embeddings": 10**15}, {"num_hidden_layers": -3}),
    *({"model_type": "mixtral", "intermediate_size": 10**9}, {"text_config": {"auto_map": {}}}),
    *({"quantization_config": {"quant_method": "torchao"}}, {"dtype": "evil"}, {"hidden_act": "x"}),
)
"""Changes of a model's configuration that must not do what they ask for."""


def array(values: Any) -> bytes:
    """An npy file."""
    content = io.BytesIO()
    np.save(content, np.asarray(values), allow_pickle=True)
    return content.getvalue()


class Bomb:
    """An object that makes a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.mark),)


def pickles(mark: Path) -> Iterator[bytes]:
    """Files of weights as torch writes them, and pickles that run code when they are read."""
    for old in (False, True):
        content = io.BytesIO()
        torch.save(factors(), content, _use_new_zipfile_serialization=not old)
        yield content.getvalue()
    yield pickle.dumps(Bomb(mark))
    yield pickle.dumps({"a": Bomb(mark)})
    content = io.BytesIO()
    torch.save({"a": Bomb(mark)}, content)
    yield content.getvalue()


def spoil_text(rng: random.Random, content: bytes) -> bytes:
    """A piece of a template is another piece, is left out, or comes again."""
    pieces = content.split(b" ")
    for _ in range(rng.choice((1, 2, 3))):
        place = rng.randrange(len(pieces))
        pieces[place : place + rng.randrange(2)] = rng.choices(pieces, k=rng.randrange(3))
        pieces = pieces or [b""]
    return b" ".join(pieces)
