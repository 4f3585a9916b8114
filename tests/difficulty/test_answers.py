import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pacbayes.difficulty.answers import final_answer, same_answer


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r"first \boxed{1}, no, \boxed{x^{2}+\frac{1}{2}}.", r"x^{2}+\frac{1}{2}"),
        (r"\boxed {3} and \boxed{unclosed", "3"),
        (r"\fbox{B}", "B"),
        ("48/2 = 24\n48+24 = 72\n#### 72", "72"),
        ("#### 1\n#### 2\nthanks", "2"),
        (r"#### 5 but \boxed{6}", "6"),
        ("He pays 12,345 dollars, or 7", "7"),
        ("a total of 1,234.50.", "1,234.50"),
        ("3-5 = -2", "-2"),
        ("from 3-5", "5"),
        ("a4;a4-6=w5", "5"),
        ("x+1", "x+1"),
        ("(1, 2)", "(1, 2)"),
        ("about 50%", "50%"),
        ("3/4 of them", "3/4"),
        ("no idea", None),
        ("", None),
        ("####", None),
        (r"\boxed{}", None),
    ],
)
def test_final_answer(text, expected):
    assert final_answer(text) == expected


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("1,234", "1234"),
        ("(1, 2)", r"\left(1,2\right)"),
        ("(0.5, 3)", r"(\frac{1}{2}, 3)"),
        ("1, 2", "2,1"),
        (r"\{1,2\}", "2, 1"),
        ("[0, 1)", "[0,1)"),
        ("50%", "50"),
        ("50%", r"50\%"),
        ("x = 5", "5"),
        ("f(x) = x+1", "1+x"),
        (r"\text{Yes}", "yes."),
        ("(B)", "(b)"),
        (r"\text{(B)}", "B"),
        ("18 dollars", "18"),
        (r"12\text{ cm}^2", "12"),
        ("5 apples", "5.0 apples"),
        (r"\$1{,}000", "1000"),
        (r"x \in [1,2]", r"x\in [1, 2]"),
    ],
)
def test_same(first, second):
    assert same_answer(first, second)
    assert same_answer(second, first)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("(1, 2)", "(2, 1)"),
        ("[0, 1)", "(0, 1)"),
        ("1, 2", "1, 2, 2"),
        ("1, 1, 2", "1, 2, 2"),
        ("(1, 2)", "{1, 2}"),
        ("50%", "0.05"),
        ("5 cm", "5 kg"),
        ("5 apples", "6 apples"),
        ("2 abc", "2"),
        ("yes", "no"),
        ("A", "B"),
        ("", ""),
        ("1", ""),
    ],
)
def test_different(first, second):
    assert not same_answer(first, second)
    assert not same_answer(second, first)


@given(st.integers(-(10**9), 10**9))
def test_a_number_survives_how_it_is_written(n):
    for text in (f"so it is {n}", f"#### {n:,}", f"\\boxed{{{n}.0}}", f"x = {n}"):
        assert same_answer(final_answer(text), str(n))
    assert not same_answer(final_answer(f"#### {n + 1}"), str(n))


@given(st.text(max_size=80), st.text(max_size=80))
def test_anything_is_graded(first, second):
    final_answer(first)
    assert same_answer(first, second) == same_answer(second, first)


@pytest.mark.parametrize(
    "text", [r"\boxed{" * 3000, "9" * 100_000, "{" * 100_000, "1," * 50_000, "#" * 100_000]
)
def test_long_texts_take_no_time(text):
    started = time.process_time()
    final_answer(text)
    same_answer(text, text)
    assert time.process_time() - started < 0.5
