"""The natural-language study: its phrases, its split, and a base model that opens."""

import dataclasses
import json

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from benchmarks.study import language, prose
from pacbayes.sample.pretrain import Shape, exact_match

WORDS = ["the", "caller", "holds", "lock", "while", "an", "other", "thread", "waits", "for", "it"]


def tiny(words):
    return language.Pretraining(
        words=words,
        steps=3,
        characters=100,
        learning_rate=1e-3,
        shape=Shape(width=16, layers=1, heads=2),
        packages=(),
    )


TINY = dataclasses.replace(
    language.SIZES["cpu"],
    budgets=(20,),
    n_pool=20,
    n_tests=10,
    n_target=8,
    pretraining={"weak": tiny(2), "strong": tiny(9)},
)


@pytest.fixture(autouse=True)
def few_measured(monkeypatch):
    monkeypatch.setattr(language, "HELD_OUT", 4)


@pytest.fixture(autouse=True)
def collection(monkeypatch):
    """A thousand sentences of ten words, without reading the library for seconds."""
    found = set()
    for place in range(1000):
        shift = place % len(WORDS)
        marked = ["bcdfghklmn"[int(digit)] + "x" for digit in f"{place:03}"]
        found.add(((" ".join((WORDS[shift:] + WORDS[:shift])[:7] + marked)), "or not"))
    monkeypatch.setattr(prose, "collect", lambda packages: tuple(sorted(found)))
    return tuple(sorted(found))


def read(folder, name):
    return [json.loads(line) for line in (folder / f"{name}.jsonl").read_text().splitlines()]


def test_sentences_are_cut_at_punctuation_code_and_paragraphs():
    text = "It doesn't (usually) wait,\nsee `run` below; X is 3.\n\n>>> run now\n\nA new\nline"
    assert list(prose.sentences_of(text)) == [
        ("it", "usually", "wait", "see", "below", "is"),
        ("a new line",),
    ]


def test_docstrings_of_nested_definitions_are_found_and_tests_are_left_out(tmp_path):
    code = """'One.'
if True:
    class A:
        'Two.'
        def f(self):
            'Three.'
"""
    (tmp_path / "a.py").write_text(code)
    (tmp_path / "b.py").write_text("def broken(:\n")
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "c.py").write_text('"""Four."""')
    assert sorted(filter(None, prose._docstrings(tmp_path))) == ["One.", "Three.", "Two."]


def test_a_package_that_is_not_installed():
    with pytest.raises(ModuleNotFoundError, match="no_such_package"):
        list(prose._texts(("no_such_package",)))


def test_the_task_is_the_phrase_without_its_spaces(tmp_path):
    language.write_data(TINY, tmp_path, seed=0)
    for record in read(tmp_path, "pool"):
        assert record["prompt"] == record["completion"].replace(" ", "") + "="
        assert record["difficulty"] == len(record["completion"].split())
        assert record["completion"].replace(" ", "").isalpha()


def test_files_are_disjoint_and_each_window_has_its_number(tmp_path):
    noted = language.write_data(TINY, tmp_path, seed=0)
    prompts = [r["prompt"] for name in ("pool", "tests", "target") for r in read(tmp_path, name)]
    assert len(set(prompts)) == len(prompts) <= noted["collection"]["units"]
    assert set(noted["units"]["tests"].values()) == {10}
    assert set(noted["units"]["target"].values()) == {2}
    assert set(noted["units"]["pool"].values()) == {20}
    for name in ("pool", "tests", "target"):
        found = [r["difficulty"] for r in read(tmp_path, name)]
        for low, high in TINY.windows:
            inside = sum(low <= difficulty <= high for difficulty in found)
            assert inside == noted["units"][name][f"{low}..{high}"]


def test_data_are_a_function_of_the_seed(tmp_path):
    notes = [
        language.write_data(TINY, tmp_path / str(k), seed=seed) for k, seed in enumerate((0, 0, 1))
    ]
    first, again, other = (read(tmp_path / str(k), "pool") for k in range(3))
    assert first == again
    assert notes[0] == notes[1]
    assert first != other


def test_too_small_a_collection(tmp_path):
    with pytest.raises(ValueError, match="phrases of 2 to 3 words"):
        language.write_data(dataclasses.replace(TINY, n_pool=1000), tmp_path, seed=0)
    assert not any(tmp_path.iterdir())


def test_no_sentence_is_on_both_sides(collection):
    """Three marked words at the end of a sentence are its own."""
    for_pretraining = {c.split()[-1] for c in language._clauses(TINY)}
    assert for_pretraining
    share = sum(map(prose.for_fine_tuning, collection)) / len(collection)
    # 10/16 of a thousand, four standard deviations either way: wrong for 1 hash in 15000
    assert abs(share - 10 / 16) < 0.062
    pretrained = set(language._clauses(TINY))
    for sentence in collection:
        assert (sentence[0] in pretrained) != prose.for_fine_tuning(sentence)


def test_pretraining_sees_short_phrases_only_and_never_the_task():
    batches = list(language._batches(language._clauses(TINY), tiny(2), 0))
    texts = [unit.completion for batch in batches for unit in batch]
    assert max(text.count(" ") for text in texts if language.ECHO not in text) == 1
    for text in texts:
        before, echo, after = text.partition(language.ECHO)
        assert not echo or before == after


def test_a_tiny_base_is_a_function_of_the_seed_and_opens(tmp_path):
    notes = [
        language.pretrain("weak", TINY, tmp_path / str(k), seed=0, log=lambda _: None)
        for k in range(2)
    ]
    first, again = (
        AutoModelForCausalLM.from_pretrained(tmp_path / str(k), dtype=torch.float32)
        for k in range(2)
    )
    for a, b in zip(first.parameters(), again.parameters(), strict=True):
        assert torch.equal(a, b)
    assert notes[0]["accuracy"] == notes[1]["accuracy"]
    assert list(notes[0]["accuracy"]) == ["echo", "joined echo", "joining", "task"]
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "0")
    ids = tokenizer("the lock=").input_ids
    assert tokenizer.decode(ids, skip_special_tokens=True) == "the lock="
    assert exact_match(first.eval(), tokenizer, [language.unit_of("the lock")]) == 0
