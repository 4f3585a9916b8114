import json
import shutil

import pytest
import torch
from peft import PeftModel
from transformers import LlamaForCausalLM

from pacbayes.errors import InputError
from pacbayes.models.loading import OpenOptions
from pacbayes.models.plain import open_plain

IDS = torch.arange(5, 25)[None]


def logits(model):
    with torch.inference_mode():
        return model(input_ids=IDS).logits


def test_a_full_model_needs_no_prior(checkpoints):
    opened = open_plain(OpenOptions(checkpoint=checkpoints / "full"))
    expected = LlamaForCausalLM.from_pretrained(checkpoints / "full", dtype=torch.float32).eval()
    assert torch.equal(logits(opened.model), logits(expected))
    assert opened.context == 96
    assert [source.path for source in opened.sources] == [str(checkpoints / "full")]


def test_an_adapter_is_in_its_base(checkpoints):
    opened = open_plain(OpenOptions(checkpoint=checkpoints / "adapter"))
    base = LlamaForCausalLM.from_pretrained(checkpoints / "base", dtype=torch.float32).eval()
    plain = logits(base)
    expected = PeftModel.from_pretrained(base, checkpoints / "adapter").eval()
    assert torch.allclose(logits(opened.model), logits(expected), atol=1e-6)
    assert not torch.allclose(logits(opened.model), plain, atol=1e-3)
    assert len(opened.sources) == 2


def test_an_untrained_adapter_can_be_opened(checkpoints):
    assert open_plain(OpenOptions(checkpoint=checkpoints / "initial")).context == 96


def test_what_cannot_be_opened(checkpoints, tmp_path):
    with pytest.raises(InputError, match=r"is a full model; --base is for adapters"):
        open_plain(OpenOptions(checkpoint=checkpoints / "full", base=checkpoints / "base"))
    with pytest.raises(InputError, match=r"no such folder"):
        open_plain(OpenOptions(checkpoint=tmp_path / "no"))
    shutil.copytree(checkpoints / "adapter", tmp_path / "a")
    config = tmp_path / "a" / "adapter_config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"peft_type": "IA3"}))
    with pytest.raises(InputError, match=r"only LORA adapters can be read"):
        open_plain(OpenOptions(checkpoint=tmp_path / "a"))
