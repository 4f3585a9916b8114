"""Small real checkpoints that the tests share: a base, an adapter, a full fine-tune."""

import json
import random
import sys
from functools import partial
from itertools import islice

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

from pacbayes.sample.pretrain import make_tokenizer
from pacbayes.sample.problems import variant_problems


def tiny_llama(tokenizer, seed=0, **changes):
    torch.manual_seed(seed)
    shape = {
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "intermediate_size": 48,
        "max_position_embeddings": 96,
        "tie_word_embeddings": False,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    return LlamaForCausalLM(LlamaConfig(**(shape | changes)))


@pytest.fixture(scope="session")
def tokenizer():
    return make_tokenizer()


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory, tokenizer):
    """Folders `base`, `initial`, `adapter` (A frozen), `free` (A moved too) and `full`."""
    root = tmp_path_factory.mktemp("checkpoints")
    base = tiny_llama(tokenizer)
    base.save_pretrained(root / "base")
    tokenizer.save_pretrained(root / "base")
    with torch.no_grad():
        for name, parameter in base.named_parameters():
            if "mlp" in name or "lm_head" in name:
                parameter.add_(0.02 * torch.randn_like(parameter))
    base.save_pretrained(root / "full")
    tokenizer.save_pretrained(root / "full")
    base = LlamaForCausalLM.from_pretrained(root / "base")
    config = LoraConfig(
        r=4, lora_alpha=8, target_modules=["q_proj", "v_proj", "down_proj"], task_type="CAUSAL_LM"
    )
    model = get_peft_model(base, config)
    model.peft_config["default"].base_model_name_or_path = "../base"
    model.save_pretrained(root / "initial", save_embedding_layers=False)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.add_(0.05 * torch.randn_like(parameter))
        model.save_pretrained(root / "adapter", save_embedding_layers=False)
        for name, parameter in model.named_parameters():
            if "lora_A" in name:
                parameter.add_(0.05 * torch.randn_like(parameter))
        model.save_pretrained(root / "free", save_embedding_layers=False)
    return root


@pytest.fixture(scope="session")
def problem_file(tmp_path_factory):
    """60 short problems as JSONL."""
    path = tmp_path_factory.mktemp("data") / "short.jsonl"
    problems = islice(variant_problems(random.Random(3), [2, 3]), 60)
    path.write_text(
        "".join(
            json.dumps({"prompt": p.prompt, "completion": p.completion, "difficulty": p.difficulty})
            + "\n"
            for p in problems
        )
    )
    return path


@pytest.fixture
def run_program(monkeypatch, capsys):
    """Runs an entry point in this process; gives its exit code, stdout and stderr."""

    def run(entry_point, *argv):
        monkeypatch.setattr(sys, "argv", list(map(str, argv)))
        with pytest.raises(SystemExit) as stop:
            entry_point()
        return (stop.value.code or 0, *capsys.readouterr())

    return run


@pytest.fixture
def run_bound(run_program):
    """Runs `pacbayes-bound`; see `run_program`."""
    from pacbayes.cli import bound_main

    return partial(run_program, bound_main, "pacbayes-bound")
