import pytest

from pacbayes.difficulty import FieldScorer, scale_of
from pacbayes.errors import InputError
from tests.difficulty.conftest import items


def scorer(**changes):
    fixed = {"field": "x", "orientation": "harder", "scale": "number"}
    return FieldScorer(**(fixed | changes))


def difficulties(found, *values):
    return [score.difficulty for score in found.score(items(*({"x": v} for v in values)))]


def test_larger_is_harder_on_every_scale():
    assert difficulties(scorer(), 1, "2.5") == [1, 2.5]
    assert difficulties(scorer(orientation="easier"), 1, "2.5", 0) == [-1, -2.5, 0]
    assert difficulties(scorer(scale="rate", orientation="easier"), 0.25, "1/4") == [0.75, 0.75]
    assert difficulties(scorer(scale="rate"), 0.25, "1/4") == [0.25, 0.25]
    assert difficulties(scorer(scale="level"), "Level 2", "Level 5") == [2, 5]
    assert difficulties(scorer(scale="labels"), "EASY", "VERY_HARD") == [2, 6]
    own = scorer(scale="labels", labels=("safe", "risky"), orientation="easier")
    assert difficulties(own, "safe", "risky") == [-1, -2]


def test_counts_are_kept_only_of_what_passed():
    (score,) = scorer(scale="rate", orientation="easier").score(items({"x": "5/8"}))
    assert (score.difficulty, score.passed) == (3 / 8, (5, 8))
    (score,) = scorer(scale="rate").score(items({"x": "5/8"}))
    assert score.passed is None


def test_missing_values_have_a_reason():
    found = scorer(missing_marks=("0",)).score(items({}, {"x": None}, {"x": "n/a"}, {"x": 0}))
    assert [s.difficulty for s in found] == [None] * 4
    reasons = ["no `x`", "`x` is null", "`x` is 'n/a'", "`x` is 0"]
    assert [s.missing for s in found] == reasons


def test_a_value_on_another_scale_is_named_by_its_line():
    with pytest.raises(InputError, match=r"^f.jsonl:2: `x`: must be a number, got 'Level 3'"):
        scorer().score(items({"x": 1}, {"x": "Level 3"}))


def test_a_scored_file_is_not_read_upside_down_a_second_time():
    again = scorer(field="difficulty", orientation="easier")
    with pytest.raises(InputError, match=r"this file was scored already"):
        again.score(items({"difficulty": 0.375, "difficulty_given": "5/8"}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"orientation": "up"}, "orientation must be harder or easier"),
        ({"scale": "stars"}, "the scale must be one of number, rate, level, labels"),
        ({"scale": "labels", "orientation": "easier"}, "say themselves what is harder"),
        ({"rate_of": 0}, "at least 1 sample"),
    ],
)
def test_bad_settings(changes, message):
    with pytest.raises(InputError, match=message):
        scorer(**changes)


def test_scale_of_the_first_value_that_is_one(write):
    assert scale_of(write({"x": None}, {}, {"x": "n/a"}, {"x": "Level 3"}), "x") == "level"
    assert scale_of(write({"x": "0"}, {"x": "5/8"}), "x", ["0"]) == "rate"


def test_no_scale(write):
    with pytest.raises(InputError, match=r"no record has a value in `x`.*\['y'\]"):
        scale_of(write({"y": 1}), "x")
    with pytest.raises(InputError, match=r"data.jsonl:2: `x`: 'tricky' is no number"):
        scale_of(write({}, {"x": "tricky"}), "x")
    with pytest.raises(InputError, match=r"no records"):
        scale_of(write(), "x")
