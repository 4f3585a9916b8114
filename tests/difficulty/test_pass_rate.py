import json
from importlib.resources import files
from pathlib import Path

import pytest

from pacbayes.data import Example, form_of
from pacbayes.difficulty import Layout, OutputRules, score_file
from pacbayes.difficulty import pass_rate as module
from pacbayes.difficulty.generation import Answer, Generator
from pacbayes.difficulty.pass_rate import GRADES, PassRateScorer
from pacbayes.errors import InputError
from pacbayes.models.loading import OpenOptions
from pacbayes.models.plain import open_plain
from tests.difficulty.conftest import items

NOTHING = Example(input_ids=(), scored=(), unscorable="no token to predict")
SAMPLE = Path(str(files("pacbayes.sample")))


@pytest.fixture(scope="module")
def easy():
    return open_plain(OpenOptions(checkpoint=SAMPLE / "adapters" / "easy"))


def scorer(model, *, batch_size=16, temperature=1.0, seed=0, **changes):
    generator = Generator(model=model, seed=seed, temperature=temperature, batch_size=batch_size)
    fixed = {"samples": 3, "longest": 60, "grade": "exact"}
    return PassRateScorer(generator=generator, **(fixed | changes))


def problems(level, n):
    with (SAMPLE / "data" / f"{level}.held_out.jsonl").open() as file:
        return [json.loads(next(file)) for _ in range(n)]


def test_the_sample_model_solves_what_it_was_trained_on(easy):
    """Held out, it is right on .999 of easy problems and .09 of hard ones, greedily."""
    found = scorer(easy, samples=1, temperature=0.0, longest=100).score(
        items(*problems("easy", 8), *problems("hard", 8))
    )
    right = [score.passed[0] for score in found]
    assert sum(right[:8]) >= 7
    assert sum(right[8:]) <= 4
    assert all(score.passed[1] == 1 for score in found)


def test_counts_do_not_depend_on_the_batch(easy):
    given = items(*problems("easy", 4))
    found = scorer(easy).score(given)
    assert scorer(easy, batch_size=3).score(given) == found
    assert scorer(easy).score(given[2:]) == found[2:]
    assert {score.passed[1] for score in found} == {3}
    for score in found:
        k, m = score.passed
        assert score.difficulty == (m - k) / m


class Told:
    """Answers with what is told, and notes what was asked."""

    batch_size, seed, temperature = 4, 0, 1.0

    def __init__(self, model, told):
        self.model, self.told, self.asked = model, told, []

    def answers(self, queries):
        self.asked += queries
        return [Answer(text=self.told[q.sample], ended=q.sample > 0) for q in queries]


def told(model, *texts, **changes):
    fixed = {"samples": len(texts), "longest": 50, "grade": "answer"}
    return PassRateScorer(generator=Told(model, texts), **(fixed | changes))


def test_final_answers_are_graded_and_counted(easy):
    found = told(easy, "so 1/2", r"\boxed{0.5}", "#### 0.6", "what?")
    (score,) = found.score(items({"prompt": "a", "completion": "b;#### 0.5"}))
    assert (score.passed, score.difficulty, score.truncated) == ((2, 4), 0.5, 1)


def test_reference_of_a_field(easy):
    given = items({"prompt": "a", "completion": "1", "answer": 7.0})
    assert told(easy, "7", "1", answer_field="answer").score(given)[0].passed == (1, 2)
    with pytest.raises(InputError, match=r"f.jsonl:1: no `gold`"):
        told(easy, "7", answer_field="gold").check(given[0])


def test_prompt_is_what_comes_before_the_last_completion(easy, monkeypatch):
    template = (
        "{% for m in messages %}{{ m.role[0] }}={{ m.content }};{% endfor %}"
        "{% if add_generation_prompt %}a={% endif %}"
    )
    monkeypatch.setattr(easy.tokenizer, "chat_template", template, raising=False)
    turns = [("user", "b"), ("assistant", "1"), ("user", "c"), ("assistant", "2")]
    messages = [{"role": role, "content": content} for role, content in turns]
    asks = told(easy, "2;")
    (score,) = asks.score(items({"messages": messages}))
    assert easy.tokenizer.decode(asks.generator.asked[0].prompt) == "u=b;a=1;u=c;a="
    assert score.passed == (1, 1)
    asks = told(easy, "2", layout=Layout(prompt="q", completion="a", chat=True))
    asks.score(items({"q": "c", "a": 2}))
    assert easy.tokenizer.decode(asks.generator.asked[0].prompt) == "u=c;a="


def test_an_answer_ends_with_the_context(easy):
    long = items({"prompt": "a" * 250, "completion": "1"}, {"prompt": "a" * 256, "completion": "1"})
    asks = told(easy, "1")
    first, second = asks.score(long)
    assert [query.limit for query in asks.generator.asked] == [256 - 251]
    assert first.passed == (1, 1)
    assert second.missing == "the prompt fills the model's context"


def test_a_completion_without_tokens_is_not_asked_for(easy, monkeypatch):
    monkeypatch.setattr(module, "encode", lambda *_, **__: NOTHING)
    asks = told(easy, "1")
    (score,) = asks.score(items({"prompt": "a", "completion": "1"}))
    assert score.missing == "no token to predict"
    assert asks.generator.asked == []


def test_what_has_no_prompt(easy):
    with pytest.raises(InputError, match=r"f.jsonl:1: `text` has no prompt to answer"):
        told(easy, "1").check(items({"text": "a"})[0])


def test_an_interrupted_run_gives_the_same(easy, tmp_path, monkeypatch):
    data = tmp_path / "data.jsonl"
    data.write_text("".join(json.dumps(p) + "\n" for p in problems("easy", 4)))
    rules = OutputRules()
    score_file(data, tmp_path / "whole", scorer(easy, samples=2, batch_size=1, longest=30), rules)
    answers, calls = Generator.answers, []

    def interrupted(self, queries):
        calls.append(len(queries))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return answers(self, queries)

    monkeypatch.setattr(Generator, "answers", interrupted)
    with pytest.raises(KeyboardInterrupt):
        score_file(data, tmp_path / "o", scorer(easy, samples=2, batch_size=1, longest=30), rules)
    score_file(data, tmp_path / "o", scorer(easy, samples=2, batch_size=2, longest=30), rules)
    assert sum(calls) == 8 + calls[1]
    assert (tmp_path / "o").read_bytes() == (tmp_path / "whole").read_bytes()


@pytest.mark.parametrize(
    ("reference", "answer", "expected"),
    [
        ("a b", " a  b\n", {"exact", "answer"}),
        ("1+1 = 2 #### 2", "#### 2.0", {"answer"}),
        ("yes", "Yes.", {"answer"}),
        ("yes", "no", set()),
        ("7", "none", set()),
    ],
)
def test_grades(reference, answer, expected):
    assert {name for name, grade in GRADES.items() if grade(reference, answer)} == expected


def test_form_of_looks_at_no_labels():
    assert form_of({"text": "a", "difficulty": "5/8", "id": []}, "f", 3).line == 3
