"""ξ(n) and K(n) against their definitions."""

import math

import mpmath
import numpy as np
import pytest

from pacbayes.bounds import kt_constant, log_kt_constant, log_xi, xi
from tests import oracle

SIZES = [*range(1, 60), 300, 999, 1000, 1001, 2500]
LARGE = [10**k for k in range(4, 16)]


def ramanujan(n):
    """Two numbers around 1 + Q(n), from θ(n) = 1/3 + 4/(135 (n + k)), 2/21 < k < 8/45."""
    with mpmath.workdps(60):
        m = mpmath.mpf(n)
        half = mpmath.exp(mpmath.loggamma(m + 1) + m - m * mpmath.log(m)) / 2
        ends = [
            1 + half - mpmath.mpf(1) / 3 - mpmath.mpf(4) / (135 * (m + k))
            for k in (mpmath.mpf(2) / 21, mpmath.mpf(8) / 45)
        ]
        return min(ends), max(ends)


@pytest.mark.parametrize("n", SIZES)
def test_xi_is_its_sum_rounded_up(n):
    exact = oracle.xi(n)
    for value, truth in ((xi(n), exact), (log_xi(n), exact.log())):
        assert oracle.ball(value) >= truth
        assert oracle.ball(value) <= truth * (1 + oracle.ball(10) ** -13)


@pytest.mark.parametrize("n", LARGE)
def test_xi_of_large_n_is_ramanujans(n):
    low, high = ramanujan(n)
    with mpmath.workdps(60):
        assert mpmath.mpf(xi(n)) >= low
        assert mpmath.mpf(xi(n)) <= high * (1 + mpmath.mpf(10) ** -14 * 2)
        if n >= 10**8:  # where the two ends agree to float64
            assert mpmath.mpf(xi(n)) >= high


@pytest.mark.parametrize("n", SIZES + LARGE)
def test_kt_constant_is_its_gamma_functions_rounded_up(n):
    with mpmath.workdps(60):
        m = mpmath.mpf(n)
        log = mpmath.log(mpmath.pi) / 2 + mpmath.loggamma(m + 1) - mpmath.loggamma(m + 0.5)
        for value, truth in ((kt_constant(n), mpmath.exp(log)), (log_kt_constant(n), log)):
            assert mpmath.mpf(value) >= truth
            assert mpmath.mpf(value) <= truth * (1 + mpmath.mpf(10) ** -12)


def test_both_are_below_twice_the_root():
    n = np.array(SIZES[1:] + LARGE, dtype=float)
    assert (xi(n) < 2 * np.sqrt(n)).all()
    assert (kt_constant(n) < 2 * np.sqrt(n)).all()
    assert xi(10**9) / (2 * math.sqrt(10**9)) == pytest.approx(math.exp(-0.467), rel=1e-3)


@pytest.mark.parametrize(
    ("n", "message"),
    [
        (0, "`n` must be at least 1, got 0.0. It counts independent units."),
        (math.nan, "`n` must be at least 1, got nan"),
        (2.5, "`n` must be a whole number, got 2.5"),
        (math.inf, r"`n` must be at most 2\^53, got inf"),
        (10**400, "`n` must be a number or an array"),
    ],
)
def test_bad_sizes(n, message):
    for function in (xi, log_xi, kt_constant, log_kt_constant):
        with pytest.raises(ValueError, match=message):
            function(n)
