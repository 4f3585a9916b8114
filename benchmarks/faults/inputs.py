"""A model, data and runs so small that a command on them takes less than a second."""

from __future__ import annotations

import json
import random
import shutil
from importlib.resources import files
from itertools import islice
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

from pacbayes.sample.pretrain import make_tokenizer
from pacbayes.sample.problems import Problem, variant_problems

COUNTS = {"data": 24, "tests": 8, "target": 4}
"""Problems in each file."""


def write_inputs(folder: Path) -> None:
    """Write `base`, `adapter`, `runs.jsonl` and the files of `COUNTS`."""
    torch.manual_seed(0)
    tokenizer = make_tokenizer()
    special = {f"{name}_token_id": getattr(tokenizer, f"{name}_token_id") for name in _SPECIAL}
    base = LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), **_SHAPE, **special))
    base.save_pretrained(folder / "base")
    tokenizer.save_pretrained(folder / "base")
    config = LoraConfig(r=2, lora_alpha=4, target_modules=["q_proj"], task_type="CAUSAL_LM")
    model = get_peft_model(base, config)
    model.peft_config["default"].base_model_name_or_path = "../base"
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.add_(0.05 * torch.randn_like(parameter))
    model.save_pretrained(folder / "adapter", save_embedding_layers=False)
    problems = variant_problems(random.Random(3), [2, 3, 4, 5])
    for name, count in COUNTS.items():
        (folder / f"{name}.jsonl").write_text("".join(map(_line, islice(problems, count))))
    shutil.copy(str(files("pacbayes.sample") / "pilots" / "runs.jsonl"), folder / "runs.jsonl")


def _line(problem: Problem) -> str:
    fields = ("prompt", "completion", "difficulty")
    return json.dumps({name: getattr(problem, name) for name in fields}) + "\n"


_SPECIAL = ("bos", "eos", "pad")
_SHAPE = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 96,
    "tie_word_embeddings": False,
}
