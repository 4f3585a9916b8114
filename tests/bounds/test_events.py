import math
import random
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pacbayes.bounds import (
    binary_kl,
    binary_kl_inverse_lower,
    binary_kl_inverse_upper,
    log_xi,
    seeger_maurer,
    seeger_maurer_lower,
)
from tests import oracle

risks = st.floats(0, 1)
complexities = st.floats(1e-12, 50)


def random_cases(n):
    rng = random.Random(0)
    tiny = (1e-300, 1e-12, 1e-6, 1 - 1e-12, 1 - 2**-53)
    for _ in range(n):
        q = rng.choice([rng.random(), 10 ** rng.uniform(-12, -1), rng.choice(tiny)])
        yield q, 10 ** rng.uniform(-12, 2)


def test_inverses_are_never_on_the_wrong_side():
    for q, c in random_cases(5000):
        upper, lower = binary_kl_inverse_upper(q, c), binary_kl_inverse_lower(q, c)
        if upper < 1:
            assert oracle.binary_kl(oracle.ball(q), oracle.ball(upper)) >= oracle.ball(c)
        if lower > 0:
            assert oracle.binary_kl(oracle.ball(q), oracle.ball(lower)) >= oracle.ball(c)


def test_inverses_are_tight():
    # a step of 1e-13 relative back towards the truth is inside the set {p : kl(q‖p) ≤ c}
    step = oracle.ball(Fraction(1, 10**13))
    for q, c in random_cases(2000):
        exact, upper = oracle.ball(q), oracle.ball(binary_kl_inverse_upper(q, c))
        assert oracle.binary_kl(exact, upper * (1 - step)) <= c or upper * (1 - step) <= exact
        lower = oracle.ball(binary_kl_inverse_lower(q, c))
        s = 10 * (1 + c / q)  # the exponent ln(q/p) amplifies rounding
        if lower > 1e-280:
            assert (
                oracle.binary_kl(exact, lower * (1 + s * step)) <= c or lower * (1 + step) >= exact
            )


@pytest.mark.parametrize(
    ("q", "c", "upper"),
    [(1.0, 0.1, 1.0), (0.3, math.inf, 1.0), (0.3, 0.0, 0.3), (0.0, 0.0, 0.0), (0.5, 1e9, 1.0)],
)
def test_edges_of_the_upper_inverse(q, c, upper):
    assert binary_kl_inverse_upper(q, c) == upper


@given(complexities)
def test_at_no_errors_the_inverse_has_a_closed_form(c):
    assert binary_kl_inverse_upper(0.0, c) == pytest.approx(-math.expm1(-c), rel=1e-14)
    assert binary_kl_inverse_lower(1.0, c) == pytest.approx(math.exp(-c), rel=1e-13)


@given(risks, complexities, complexities)
def test_more_complexity_never_shrinks_the_interval(q, a, b):
    small, large = sorted((a, b))
    # each inverse is off by at most 1e-13 relative
    assert binary_kl_inverse_upper(q, small) <= binary_kl_inverse_upper(q, large) * (1 + 1e-13)
    assert binary_kl_inverse_lower(q, large) <= binary_kl_inverse_lower(q, small) * (1 + 1e-12)


@given(st.floats(1e-9, 1 - 1e-9), st.floats(1e-9, 1 - 1e-9))
def test_binary_kl_is_its_definition(q, p):
    expected = float(oracle.binary_kl(oracle.ball(q), oracle.ball(p)))
    # the difference p − q is rounded once; near p = q that moves kl by 2 |p − q| ulp / variance
    assert binary_kl(q, p) == pytest.approx(expected, rel=1e-11, abs=1e-24)


@pytest.mark.parametrize("n", [*range(1, 60), 999, 1000, 1001, 2500])
def test_xi_is_its_sum_rounded_up(n):
    exact = oracle.xi(n).log()
    assert oracle.ball(log_xi(n)) >= exact
    assert log_xi(n) <= float(exact) + 1e-11


def test_xi_is_below_twice_the_root():
    for n in (10**k for k in range(1, 16)):
        assert log_xi(n) < math.log(2 * math.sqrt(n))
        assert log_xi(n) == pytest.approx(math.log(math.sqrt(math.pi * n / 2) + 2 / 3), abs=0.02)


def test_reference_value():
    value = seeger_maurer(empirical_risk=0.02, kl=300.0, n=30000, delta=0.05)
    assert value == pytest.approx(0.046981242, abs=5e-10)


@given(risks, st.floats(0, 1e4), st.integers(1, 10**6), st.floats(1e-9, 0.999))
def test_bounds_hold_the_empirical_risk_between_them(risk, kl, n, delta):
    arguments = {"empirical_risk": risk, "kl": kl, "n": n, "delta": delta}
    assert 0 <= seeger_maurer_lower(**arguments) <= risk <= seeger_maurer(**arguments) <= 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"delta": 0.0}, r"`delta` must lie in \(0, 1\), got 0.0"),
        ({"delta": 1.0}, r"`delta` must lie in \(0, 1\), got 1.0"),
        ({"delta": math.nan}, r"`delta` must lie in \(0, 1\), got nan"),
        ({"n": 0}, "`n` must be at least 1, got 0"),
        ({"n": 2.5}, "`n` must be a whole number, got 2.5"),
        ({"kl": -1.0}, "`kl` must be at least 0, got -1.0"),
        ({"kl": math.nan}, "`kl` must be at least 0, got nan"),
        ({"empirical_risk": 1.5}, r"`empirical_risk` must lie in \[0, 1\], got 1.5"),
        ({"empirical_risk": math.nan}, r"`empirical_risk` must lie in \[0, 1\], got nan"),
    ],
)
def test_bad_arguments(change, message):
    good = {"empirical_risk": 0.1, "kl": 1.0, "n": 100, "delta": 0.05}
    with pytest.raises(ValueError, match=message):
        seeger_maurer(**(good | change))


def luckiest_failure_rate(bound, *, n, hypotheses, risk):
    """Exact probability that the bound fails for a point mass on the luckiest of many hypotheses.

    The hypotheses' error counts are independent Bin(n, risk); the posterior sits on the one with
    the fewest errors, at KL = ln(hypotheses) from the uniform prior.
    """
    from scipy.stats import binom

    failing = [k for k in range(n + 1) if bound(k / n, math.log(hypotheses), n) < risk]
    most = max(failing, default=-1)
    return 1 - (1 - binom.cdf(most, n, risk)) ** hypotheses


def test_the_adversary_breaks_mutants_but_not_the_bound():
    delta = 0.1

    def honest(risk, kl, n):
        return seeger_maurer(empirical_risk=risk, kl=kl, n=n, delta=delta)

    def without_kl(risk, kl, n):
        return seeger_maurer(empirical_risk=risk, kl=0.0, n=n, delta=delta)

    def half_kl(risk, kl, n):
        return seeger_maurer(empirical_risk=risk, kl=kl / 2, n=n, delta=delta)

    def worst(bound):
        return max(
            luckiest_failure_rate(bound, n=n, hypotheses=h, risk=risk)
            for n, h in ((100, 2000), (50, 10**6), (100, 10**6))
            for risk in (0.1, 0.2, 0.3, 0.5, 0.7)
        )

    assert worst(honest) <= delta
    assert worst(without_kl) > 0.9
    assert worst(half_kl) > delta
