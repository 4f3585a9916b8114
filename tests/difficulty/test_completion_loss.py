import pytest
import torch

from pacbayes.difficulty.completion_loss import LossScorer
from pacbayes.errors import InputError
from pacbayes.models.loading import OpenOptions
from pacbayes.models.plain import open_plain
from tests.difficulty.conftest import items

RECORDS = [
    {"prompt": "a=1;a?", "completion": "a1"},
    {"prompt": "b=2;c=b+3;c?", "completion": "b2;b2+3=c5"},
    {"text": "a1;b2"},
]


@pytest.fixture(scope="module")
def model(checkpoints):
    return open_plain(OpenOptions(checkpoint=checkpoints / "adapter"))


@torch.inference_mode()
def own_loss(model, record):
    """What transformers computes from labels, the prompt's masked out."""
    tokenizer = model.tokenizer
    prompt = tokenizer(record.get("prompt", "")).input_ids
    rest = record.get("completion", record.get("text"))
    rest = [*tokenizer(rest, add_special_tokens=False).input_ids, tokenizer.eos_token_id]
    labels = [-100] * len(prompt) + rest
    out = model.model(input_ids=torch.tensor([prompt + rest]), labels=torch.tensor([labels]))
    return float(out.loss)


@pytest.mark.parametrize("batch_size", [1, 2, 8])
def test_loss_is_the_mean_over_the_completion(model, batch_size):
    found = LossScorer(model=model, batch_size=batch_size).score(items(*RECORDS))
    expected = [own_loss(model, record) for record in RECORDS]
    # six decimals of a float32 mean of up to 11 terms near 4
    assert [score.difficulty for score in found] == pytest.approx(expected, abs=3e-6)


def test_too_long_and_not_finite(model, monkeypatch):
    scorer = LossScorer(model=model, batch_size=2)
    (found,) = scorer.score(items({"prompt": "a", "completion": "1" * 96}))
    assert found.missing == "longer than the model's context"
    monkeypatch.setattr(LossScorer, "_losses", lambda _, examples: [float("nan")] * len(examples))
    (found,) = scorer.score(items(RECORDS[0]))
    assert found.missing == "the model's loss is not finite"


def test_records_are_checked_before_any_is_scored(model):
    scorer = LossScorer(model=model, batch_size=2)
    scorer.check(items(RECORDS[0])[0])
    with pytest.raises(InputError, match=r"f.jsonl:1: record without completion"):
        scorer.check(items({"prompt": "a"})[0])
    messages = [{"role": "assistant", "content": "a"}]
    with pytest.raises(InputError, match=r"f.jsonl:1: `messages` need a chat template"):
        scorer.check(items({"messages": messages})[0])
    assert scorer.checks_first
