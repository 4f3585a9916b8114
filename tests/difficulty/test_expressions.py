import time

import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from pacbayes.difficulty.expressions import LONGEST, UnreadableError, equal, read

X, Y = sympy.symbols("x y")


def same(first, second):
    return equal(read(first), read(second))


def trees():
    """sympy expressions, of which sympy itself knows what is equal."""
    leaves = st.integers(-9, 9).map(sympy.Integer) | st.sampled_from([X, Y, sympy.pi])
    fractions = st.builds(sympy.Rational, st.integers(-9, 9), st.integers(1, 9))

    def grown(inner):
        return (
            st.builds(sympy.Add, inner, inner)
            | st.builds(sympy.Mul, inner, inner)
            | st.builds(lambda a: a**2, inner)
            | st.builds(lambda a: 1 / (a**2 + 1), inner)
            | st.builds(lambda a: sympy.sqrt(a**2 + 3), inner)
        )

    return st.recursive(leaves | fractions, grown, max_leaves=5)


def finite(tree):
    return not tree.has(sympy.zoo, sympy.nan, sympy.I) and len(sympy.latex(tree)) < LONGEST


@settings(max_examples=60, deadline=None)
@given(trees().filter(finite))
def test_latex_plain_text_and_other_forms_are_equal(tree):
    assert same(sympy.latex(tree), str(tree))
    assert same(str(sympy.expand(tree)), str(tree)) or len(str(sympy.expand(tree))) > LONGEST


@settings(max_examples=60, deadline=None)
@given(trees().filter(finite), trees().filter(finite))
def test_expressions_that_differ_at_a_point_are_not_equal(first, second):
    point = {X: sympy.Rational(7, 5), Y: sympy.Rational(-3, 11)}
    apart = abs(sympy.N((first - second).subs(point), 30)) > 1e-20
    assert same(str(first), str(second)) <= (not apart)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (r"\frac{1}{2}", "0.5"),
        (r"\dfrac12", ".50"),
        (r"\frac{\sqrt{2}}{2}", r"1/\sqrt2"),
        ("1,234,567", "1234567"),
        (r"1{,}000", "10^3"),
        ("50\\%", "1/2"),
        (r"1\frac{1}{2}", "3/2"),
        ("1 1/2", "1.5"),
        (r"3\times10^{2}", "3e2"),
        (r"\sqrt[3]{-8}", "-2"),
        ("-2^2", "-4"),
        ("2^{-3}", "1/8"),
        ("2^3^2", "512"),
        ("5!", "120"),
        ("90^\\circ", "90"),
        ("$18", "18"),
        ("2xy^2", "2 y^2 x"),
        ("1/2x", r"\frac{x}{2}"),
        (r"\left(x+1\right)^2", "x^2+2x+1"),
        ("a_1+a_{2}", "a_{2}+a_{1}"),
        ("1/(1+sqrt(2))", r"\sqrt{2}-1"),
        (r"\sin^2 x + \cos(x)^2", "1"),
        (r"e^{i\pi}", "-1"),
        ("x**2", "x^2"),
        ("3÷4", "3/4"),
        ("−3", "-3"),
    ],
)
def test_equal(first, second):
    assert same(first, second)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("1/3", "0.3333333333333333"),
        ("10^100+1", "10^100"),
        ("2^1000", "2^1000+1"),
        (r"\pi", "3.14159265358979"),
        ("x", "y"),
        (r"\sqrt{x^2}", "x"),
        ("x^2", "x^3"),
        ("1/0", "1/0"),
        ("0.1", ".10000000000000001"),
    ],
)
def test_different(first, second):
    assert not same(first, second)


@pytest.mark.parametrize(
    "text",
    [
        "9**9**9",
        "9^{9^{9^{9^9}}}",
        "(((((9^99)^99)^99)^99)^99)^99",
        "9!!!!!!!!",
        "(-9)^(1/9^9^9)",
        r"\sin(10^{10^{10}})",
        "9" * LONGEST,
        "1e999",
        "^".join("9" * 100),
        "(" * 200 + "1" + ")" * 200,
        r"\sqrt" * 70 + "2",
        r"\frac" * 70,
        "{" * LONGEST,
        "-" * (LONGEST - 1) + "1",
        "x" * LONGEST,
        "sin " * 90 + "1",
        "+".join("1" * 200),
        "(x+y)^99" * 40,
        "\\" * 300,
        ",".join(["123"] * 90),
        "1,234" * 70,
    ],
)
def test_nothing_hangs_or_crashes(text):
    started = time.process_time()
    try:
        same(text, "1")
        same(text, text)
    except UnreadableError:
        pass
    assert time.process_time() - started < 10


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="0123456789xyie+-*/^!%(){}[]_\\ .,√π°fracsqtn", max_size=60))
def test_any_text_is_read_or_refused(text):
    try:
        read(text)
    except UnreadableError:
        return
    same(text, text)


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "().__class__",
        "lambda: 0",
        "print(1)",
        "exit()",
        "two",
        "x = 5",
        "1 2",
        "3 +",
        r"\frac{1}",
        "",
        "1" * (LONGEST + 1),
    ],
)
def test_unreadable(text):
    with pytest.raises(UnreadableError):
        read(text)
