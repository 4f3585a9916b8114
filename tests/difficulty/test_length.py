import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pacbayes.difficulty import Layout, by_steps, by_tokens
from pacbayes.difficulty.length import STEPS, steps
from pacbayes.errors import InputError
from tests.difficulty.conftest import items


def lengths(scorer, *objects):
    return [score.difficulty for score in scorer.score(items(*objects))]


def text(completion):
    return {"prompt": "p", "completion": completion}


def test_tokens_are_those_of_the_completion_alone(tokenizer, tmp_path):
    tokenizer.save_pretrained(tmp_path)
    scorer = by_tokens(tmp_path, Layout())
    records = [text("a1;a1+2=b3"), {"text": "a1;"}]
    assert lengths(scorer, *records) == [10, 3]  # one token a character, no start and end tokens
    turns = [("user", "a"), ("assistant", "a1"), ("user", "b"), ("assistant", "b2b")]
    messages = [{"role": role, "content": content} for role, content in turns]
    assert lengths(scorer, {"messages": messages}) == [5]
    expected = len(tokenizer(records[0]["completion"], add_special_tokens=False).input_ids)
    assert lengths(scorer, records[0]) == [expected]


def test_tokenizer_that_is_none(tmp_path):
    with pytest.raises(InputError, match=r"tokenizer.json: no such file"):
        by_tokens(tmp_path, Layout())
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(InputError, match=r"cannot be read as a tokenizer"):
        by_tokens(tmp_path, Layout())


@pytest.mark.parametrize(
    ("name", "completion", "expected"),
    [
        ("lines", "a\n\n b \r\nc\n", 3),
        ("lines", "one", 1),
        ("sentences", "It is 3.5. So 4! Is it? Yes", 4),
        ("sentences", "One。Two。", 2),
        ("sentences", "first line\nsecond line.", 2),
    ],
)
def test_steps(name, completion, expected):
    assert lengths(by_steps(STEPS[name], Layout()), text(completion)) == [expected]


@given(st.lists(st.text("ab ", min_size=1)))
def test_steps_are_the_parts_that_are_not_blank(parts):
    expected = sum(bool(part.strip()) for part in parts)
    assert steps(";".join(parts), re.compile(r"(;)")) == expected


@pytest.mark.parametrize(
    ("pattern", "message"), [("(", "is no regular expression"), ("", "must not be empty")]
)
def test_bad_separators(pattern, message):
    with pytest.raises(InputError, match=message):
        by_steps(pattern, Layout())


def test_other_field_names():
    scorer = by_steps(";", Layout(prompt="question", completion="answer"))
    assert lengths(scorer, {"question": "q", "answer": "1;2", "text": 5}) == [2]
    with pytest.raises(InputError, match=r"f.jsonl:1: no `answer`; .*\['question'\]"):
        lengths(scorer, {"question": "q"})
    with pytest.raises(InputError, match=r"must be given together"):
        Layout(prompt="question")


def test_records_without_completion():
    with pytest.raises(InputError, match=r"f.jsonl:1: record without completion"):
        lengths(by_steps(";", Layout()), {"prompt": "p"})


def test_other_labels_are_not_looked_at():
    assert lengths(by_steps(";", Layout()), text("1;2") | {"difficulty": "5/8"}) == [2]
