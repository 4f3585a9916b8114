"""The verifier's own formulas against exact sums, and against the package's bounds."""

import math
import time
from fractions import Fraction

import pytest
from flint import arb, ctx
from hypothesis import given, settings
from hypothesis import strategies as st

from pacbayes.bounds import certified
from pacbayes.verify.comparisons import TOLERANCE, Report
from pacbayes.verify.core import _log_at_most, _log_constant, binomial_margin, kl_margin

RISKS = st.floats(0, 1)
NATS = st.floats(1e-6, 1e5)
SIZES = st.integers(1, 10**9)
DELTAS = st.floats(1e-12, 0.5)
FEW = settings(max_examples=20, deadline=None)


@pytest.fixture(autouse=True)
def bits():
    with ctx.workprec(128):
        yield


def close(ball, exact):
    return abs(ball - arb(exact.numerator) / exact.denominator) < arb(2) ** -80


@pytest.mark.parametrize("n", [1, 2, 3, 10, 77])
def test_xi_is_its_sum(n):
    terms = (
        math.comb(n, k) * Fraction(k, n) ** k * Fraction(n - k, n) ** (n - k) for k in range(n + 1)
    )
    assert close(_log_constant(n, False).exp(), sum(terms))


@pytest.mark.parametrize("n", [1, 2, 3, 10, 77])
def test_k_is_its_product(n):
    assert close(
        _log_constant(n, True).exp(), math.prod(Fraction(2 * k, 2 * k - 1) for k in range(1, n + 1))
    )


@pytest.mark.parametrize(("k", "n", "p"), [(0, 5, 0.1), (3, 9, 0.75), (60, 400, 0.25), (8, 9, 0.5)])
def test_binomial_tail_is_its_sum(k, n, p):
    exact = Fraction(p)
    tail = sum(math.comb(n, j) * exact**j * (1 - exact) ** (n - j) for j in range(k + 1))
    assert close(_log_at_most(k, n, arb(p)).exp(), tail)


@pytest.mark.parametrize("n", [10**7, 10**15])
def test_far_tails_of_many_trials_are_told_at_once(n):
    began, log_delta = time.process_time(), arb(0.025).log()
    none, few = (binomial_margin(k, n, log_delta, above=True) for k in (0, 288))
    exact = 1 - (log_delta / n).exp()  # of no errors
    assert none(exact * (1 - 2.0**-40)) < 0 < none(exact * (1 + 2.0**-40))
    for k in range(1, 60):
        assert few(arb(2) ** -k).is_finite()
    mirrored = binomial_margin(n - 288, n, log_delta, above=False)
    assert few(arb(400) / n) > 0 > few(arb(300) / n)
    assert mirrored(1 - arb(400) / n) > 0 > mirrored(1 - arb(300) / n)
    assert time.process_time() - began < 2


def agrees(side, value, margin):
    report = Report(leaves=())
    report.end("x", value, margin, above=side == "upper")
    return not report.findings


def shifted(side, value):
    """Ten times the tolerance too good, if there is room."""
    return value - 10 * TOLERANCE if side == "upper" else value + 10 * TOLERANCE


@FEW
@given(risk=RISKS, kl=NATS, n=SIZES, delta=DELTAS)
def test_kl_bounds_agree_with_the_packages_and_better_ones_do_not(risk, kl, n, delta):
    for name, graded in (("seeger_maurer", False), ("time_uniform_kl", True)):
        nats = (arb(kl) + _log_constant(n, graded) - arb(delta).log()) / n
        for side, ending in (("upper", ""), ("lower", "_lower")):
            value = certified(f"{name}{ending}", empirical_risk=risk, kl=kl, n=n, delta=delta)
            margin = kl_margin(arb(risk), nats, above=side == "upper")
            assert agrees(side, value, margin)
            better = shifted(side, value)
            if 0 < better < 1:
                assert not agrees(side, better, margin)


@settings(max_examples=8, deadline=None)
@given(data=st.data(), n=st.integers(1, 500), delta=DELTAS)
def test_clopper_pearson_agrees_with_the_packages_and_better_ones_do_not(data, n, delta):
    k = data.draw(st.integers(0, n))
    for side, ending in (("upper", ""), ("lower", "_lower")):
        value = certified(f"test_set_binomial{ending}", n_errors=k, n=n, delta=delta)
        margin = binomial_margin(k, n, arb(delta).log(), above=side == "upper")
        assert agrees(side, value, margin)
        better = shifted(side, value)
        if 0 < better < 1:
            assert not agrees(side, better, margin)


def test_looser_than_need_be_is_no_less_wrong():
    margin = kl_margin(arb(0.1), -arb(0.95).log(), above=True)
    value = certified("test_set_kl", empirical_risk=0.1, n=1, delta=0.95)
    assert agrees("upper", value, margin)
    assert not agrees("upper", value + 10 * TOLERANCE, margin)
    assert not agrees("upper", 1.0, margin)
