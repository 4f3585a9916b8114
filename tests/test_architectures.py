"""A second architecture from its folder to a certificate: tied embeddings, biases, Conv1D."""

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from pacbayes.certify import certify
from pacbayes.data.sample import read_sample
from pacbayes.models.loading import OpenOptions
from pacbayes.models.opening import open_fine_tuned
from pacbayes.settings import Settings


@pytest.fixture(scope="module")
def gpt2(tmp_path_factory, tokenizer):
    """Folders `base` and `full`, the second with every weight moved."""
    root = tmp_path_factory.mktemp("gpt2")
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=len(tokenizer),
        n_positions=96,
        n_embd=32,
        n_layer=2,
        n_head=2,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    model = GPT2LMHeadModel(config).eval()
    for name in ("base", "full"):
        model.save_pretrained(root / name)
        tokenizer.save_pretrained(root / name)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.02 * torch.randn_like(parameter))
    return root


@pytest.fixture(scope="module")
def opened(gpt2):
    options = {"checkpoint": gpt2 / "full", "prior": gpt2 / "base"}
    return {
        mode: open_fine_tuned(OpenOptions(**options, draw_mode=mode)) for mode in ("auto", "block")
    }


def test_every_weight_has_noise_once(opened):
    for model in opened.values():
        assert model.sizes == {k: p.numel() for k, p in model.model.named_parameters()}
        assert "lm_head.weight" not in model.sizes  # tied to the embedding
    assert opened["auto"].noise.per_row
    assert not opened["block"].noise.per_row


def test_certificates_of_both_ways_to_draw_agree(opened, problem_file):
    sample = read_sample([problem_file])
    settings = Settings(losses=("nll",), passes=6, pilot=12, block=4, prior_scale=0.1)
    found = {mode: certify(model, sample, settings)[0] for mode, model in opened.items()}
    intervals = [one.strata[0].empirical_risk_bound for one in found.values()]
    # each holds with probability at least .99, so that they overlap but with probability .02
    assert max(low for low, _ in intervals) <= min(high for _, high in intervals)
    assert found["auto"].strata[0].n_draws == 6 * 60
    assert found["block"].strata[0].n_draws == 6 * 15
