"""The files that ship with the package are what the README says they are."""

import json
from importlib.resources import files
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

from pacbayes.data import encode, read_jsonl
from pacbayes.sample.pretrain import exact_match
from pacbayes.sample.problems import LEVELS, Problem

SAMPLE = Path(str(files("pacbayes.sample")))
EIGHT_MEGABYTES = 8_000_000


def records(name):
    return read_jsonl(SAMPLE / "data" / name)


def problems(name, n):
    return [
        Problem(prompt=r.prompt, completion=r.completion, difficulty=int(r.difficulty))
        for r in records(name)[:n]
    ]


def test_all_of_it_is_small_enough_to_ship():
    shipped = [p for p in SAMPLE.rglob("*") if p.is_file() and p.suffix != ".pyc"]
    assert sum(p.stat().st_size for p in shipped) <= EIGHT_MEGABYTES


@pytest.mark.parametrize("level", LEVELS)
def test_sizes_and_difficulties(level):
    for name, n in ((f"{level}.jsonl", 8000), (f"{level}.held_out.jsonl", 1500)):
        found = records(name)
        assert len(found) == n
        assert {r.difficulty for r in found} == set(LEVELS[level])


def test_no_problem_is_in_two_places():
    prompts = [
        r.prompt
        for level in LEVELS
        for kind in ("", ".held_out")
        for r in records(f"{level}{kind}.jsonl")
    ]
    assert len(set(prompts)) == len(prompts)


def test_none_can_have_been_pretrained_on():
    for level in LEVELS:
        for problem in problems(f"{level}.jsonl", None) + problems(f"{level}.held_out.jsonl", None):
            assert problem.is_variant
            assert problem.for_fine_tuning


@pytest.fixture(scope="module")
def base():
    tokenizer = PreTrainedTokenizerFast.from_pretrained(str(SAMPLE / "base"))
    return AutoModelForCausalLM.from_pretrained(str(SAMPLE / "base")).eval(), tokenizer


@pytest.mark.parametrize("level", LEVELS)
def test_adapters_have_the_reported_accuracy_and_beat_the_base(base, level):
    from peft import PeftModel

    model, tokenizer = base
    reported = json.loads((SAMPLE / "report.json").read_text())["exact_match"]
    held_out = problems(f"{level}.held_out.jsonl", 500)
    assert exact_match(model, tokenizer, held_out) < reported[level][level] - 0.3
    adapted = PeftModel.from_pretrained(model, str(SAMPLE / "adapters" / level)).eval()
    found = exact_match(adapted, tokenizer, held_out)
    adapted.unload()
    # the report is over 1500 problems of which these are 500: 4 standard errors at most
    assert found == pytest.approx(reported[level][level], abs=4 * 0.5 / 500**0.5)
    assert reported["hard"]["hard"] > 0.5


def test_exact_loss_is_greedy_decoding_to_the_end_token(base):
    """The loss is 0 exactly where `generate` writes the reference and then stops."""
    from pacbayes.losses import LOSSES
    from pacbayes.models.loading import OpenOptions
    from pacbayes.models.opening import open_fine_tuned
    from pacbayes.risk import Scorer

    opened = open_fine_tuned(OpenOptions(checkpoint=SAMPLE / "adapters" / "medium"))
    scorer = Scorer(model=opened, losses=(LOSSES["exact"],))
    records_of_hard = records("hard.held_out.jsonl")[:24]
    end = opened.tokenizer.eos_token_id
    agreed = {0.0: 0, 1.0: 0}
    for record in records_of_hard:
        example = encode(record, opened.tokenizer, max_length=opened.context)
        prompt = example.input_ids[: example.n_prompt]
        written = opened.model.generate(
            input_ids=torch.tensor([prompt]), do_sample=False, max_new_tokens=110, pad_token_id=0
        )[0, len(prompt) :].tolist()
        reference = list(example.input_ids[len(prompt) :])
        assert reference[-1] == end
        (loss,) = scorer.at_centre([(example,)])[0]
        assert loss == float(written != reference)
        agreed[loss] += 1
    assert min(agreed.values()) > 0
