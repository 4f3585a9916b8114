"""The files that ship with the package are what the README says they are."""

import json
from importlib.resources import files
from pathlib import Path

import pytest
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

from pacbayes.data import read_jsonl
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
