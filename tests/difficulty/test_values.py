import pytest
from hypothesis import given
from hypothesis import strategies as st

from pacbayes.difficulty.values import (
    LABELS,
    ValueReadError,
    guess_scale,
    is_missing,
    ordered,
    read_value,
)
from pacbayes.errors import InputError


@given(st.floats(-1e100, 1e100) | st.integers(-(10**15), 10**15))
def test_a_number_and_its_string_are_the_same(value):
    assert read_value(value, "number") == read_value(f" {value!r} ", "number")
    assert read_value(value, "number").number == value
    assert guess_scale(value) == guess_scale(repr(value)) == "number"


@given(st.integers(1, 1000), st.data())
def test_a_share_keeps_its_counts(m, data):
    k = data.draw(st.integers(0, m))
    for text in (f"{k}/{m}", f" {k} / {m} "):
        value = read_value(text, "rate")
        assert value.counts == (k, m)
        assert value.number == k / m
        assert guess_scale(text) == "rate"


@given(st.integers(1, 128), st.data())
def test_a_rounded_rate_of_known_samples_gives_its_counts(m, data):
    k = data.draw(st.integers(0, m))
    assert read_value(f"{k / m:.4f}", "rate", rate_of=m).counts == (k, m)


def test_a_rate_that_is_no_multiple_has_no_counts():
    assert read_value(0.51, "rate", rate_of=2).counts is None
    assert read_value(0.5, "rate").counts is None
    assert read_value("37.5%", "rate", rate_of=8).counts == (3, 8)


@pytest.mark.parametrize("text", ["Level 3", "level 3", "Level_3", "LEVEL-3.0", "grade:3", "L3"])
def test_levels(text):
    assert read_value(text, "level").number == 3
    assert guess_scale(text) == "level"


def test_a_level_may_be_a_number_alone():
    assert [read_value(value, "level").number for value in (3, "3", "Level 3")] == [3, 3, 3]


def test_known_labels_are_in_order():
    numbers = [read_value(label.upper().replace(" ", "_"), "labels").number for label in LABELS]
    assert numbers == sorted(numbers) == list(range(1, 7))


def test_labels_of_ones_own():
    assert read_value("Gold", "labels", labels=ordered(["bronze", "silver", "gold"])).number == 3


@pytest.mark.parametrize("labels", [["a"], ["a", "A"], [], ["a", " "]])
def test_labels_that_are_no_order(labels):
    with pytest.raises(InputError, match=r"labels must be at least two different words"):
        ordered(labels)


@pytest.mark.parametrize(
    "value", [None, "", "  ", "n/a", "N/A", "NaN", "null", "None", "Level ?", "UNKNOWN_DIFFICULTY"]
)
def test_marks_for_none(value):
    assert is_missing(value)


def test_zero_is_a_value_unless_it_is_said_to_be_none():
    assert not is_missing(0)
    for value in (0, 0.0, "0", "0.0"):
        assert is_missing(value, ["0"])
    assert not is_missing(False, ["0"])
    assert not is_missing([], ["0"])


@pytest.mark.parametrize(
    ("value", "scale", "message"),
    [
        ("hard", "number", "must be a number, got 'hard'"),
        (True, "number", "must be a number, got True"),
        ([1], "number", "must be a number, got a list"),
        ("1e999", "number", "must be finite"),
        (10**400, "number", "must be finite"),
        ("inf", "number", "must be a number"),
        ("1_000", "number", "must be a number"),
        (1.01, "rate", r"must lie in \[0, 1\], got 1.01"),
        (-0.01, "rate", r"must lie in \[0, 1\]"),
        ("9/8", "rate", "0 <= k <= m"),
        ("0/0", "rate", "m > 0"),
        ("1/" + "9" * 10, "rate", "at most 9 digits"),
        (True, "level", "must be a level such as"),
        (3, "labels", "must be a label, got 3"),
        ("third", "level", "must be a level such as"),
        ("impossible", "labels", "none of the labels very easy, easy"),
        (None, "labels", "must be a label, got null"),
    ],
)
def test_what_is_on_no_scale(value, scale, message):
    with pytest.raises(ValueReadError, match=message):
        read_value(value, scale)


@pytest.mark.parametrize("value", ["impossible", True, {}, "three apples"])
def test_a_value_that_speaks_for_no_scale(value):
    with pytest.raises(ValueReadError):
        guess_scale(value)


def test_numbers_can_be_summed():
    with pytest.raises(ValueReadError, match=r"at most 1e\+100"):
        read_value("1e308", "number")
