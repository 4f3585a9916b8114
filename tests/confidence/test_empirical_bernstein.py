"""Empirical Bernstein bounds against the printed formula, and what they promise by enumeration."""

import math

import mpmath
import numpy as np
import pytest
from scipy.stats import binom

from pacbayes.confidence import empirical_bernstein_lower, empirical_bernstein_upper, kl_upper


def half_width(variance, n, delta):
    """As Maurer & Pontil print it."""
    v, m, log = mpmath.mpf(variance), mpmath.mpf(n), mpmath.log(2 / mpmath.mpf(delta))
    return mpmath.sqrt(2 * v * log / m) + 7 * log / (3 * (m - 1))


def cases(count):
    rng = np.random.default_rng(0)
    for i in range(count):
        yield {
            "mean": float([rng.random(), 10 ** rng.uniform(-15, 0), 0.0, 1.0][i % 4]),
            "variance": float([0.5 * rng.random(), 10 ** rng.uniform(-20, -1), 0.0, 0.5][i % 3]),
            "n_draws": int(10 ** rng.uniform(0.4, 15)),
            "delta": float([10 ** rng.uniform(-300, 0), 1 - 10 ** rng.uniform(-9, 0)][i // 12 % 2]),
        }


def test_outside_the_formula_and_close_to_it():
    with mpmath.workdps(40):
        for case in cases(3000):
            width = half_width(case["variance"], case["n_draws"], case["delta"])
            upper, lower = empirical_bernstein_upper(**case), empirical_bernstein_lower(**case)
            above, below = case["mean"] + width, case["mean"] - width
            # a dozen roundings, and 16 ulps outward twice: 16 · 2⁻⁵² = 3.6e-15
            assert upper == 1 or above <= upper <= above * (1 + mpmath.mpf(1e-14))
            assert above >= 1 or upper < 1 or above > 1 - 1e-14
            assert below - 1e-14 * above <= lower
            assert lower == 0 or lower <= below


def test_vacuous_at_few_draws_and_tight_at_many():
    few = {"mean": 0.5, "variance": 0.25, "n_draws": 2, "delta": 0.05}
    assert (empirical_bernstein_lower(**few), empirical_bernstein_upper(**few)) == (0.0, 1.0)
    many = few | {"n_draws": 10**15}
    assert empirical_bernstein_upper(**many) == pytest.approx(0.5, abs=1e-7)
    assert empirical_bernstein_lower(**many) == pytest.approx(0.5, abs=1e-7)


DELTA = 0.1
SIZES = [2, 10, 100, 2000]
PROBABILITIES = [0.001, 0.01, 0.1, 0.3, 0.5, 0.9]


def bounds_of_errors(n):
    """Both bounds for every number of errors, and twins that drop a term."""
    errors = np.arange(n + 1)
    mean = errors / n
    at = {"mean": mean, "n_draws": n, "delta": DELTA}
    variance = n / (n - 1) * mean * (1 - mean)
    log = math.log(2 / DELTA)
    return {
        "upper": empirical_bernstein_upper(**at, variance=variance),
        "lower": empirical_bernstein_lower(**at, variance=variance),
        "no variance term": empirical_bernstein_upper(**at, variance=0.0),
        "only variance term": mean + np.sqrt(2 * variance * log / n),
        "variance of the mean": empirical_bernstein_upper(**at, variance=variance / n),
    }


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("p", PROBABILITIES)
def test_coverage_by_enumeration(n, p):
    weight, bound = binom.pmf(np.arange(n + 1), n, p), bounds_of_errors(n)
    assert weight[bound["upper"] < p].sum() <= DELTA
    assert weight[bound["lower"] > p].sum() <= DELTA


@pytest.mark.parametrize("twin", ["no variance term", "only variance term", "variance of the mean"])
def test_twins_fail(twin):
    rates = [
        binom.pmf(np.arange(n + 1), n, p)[bounds_of_errors(n)[twin] < p].sum()
        for n in SIZES
        for p in PROBABILITIES
    ]
    assert max(rates) > 2 * DELTA


def test_coverage_of_graded_draws():
    rng, runs, n = np.random.default_rng(1), 20_000, 60
    draws = rng.choice([0.0, 0.1, 1.0], size=(runs, n), p=[0.5, 0.48, 0.02])
    mean = draws.mean(axis=1)
    at = {"mean": mean, "variance": draws.var(axis=1, ddof=1), "n_draws": n, "delta": DELTA}
    # more failures have probability at most 1e-6 where each has at most δ
    most = binom.isf(1e-6, runs, DELTA)
    assert np.sum(empirical_bernstein_upper(**at) < 0.068) <= most
    assert np.sum(empirical_bernstein_lower(**at) > 0.068) <= most
    assert np.sum(mean < 0.068) > most  # the twin that must fail


def test_narrower_than_kl_where_the_draws_vary_little():
    at = {"mean": 0.1, "n_draws": 5000, "delta": 0.05}
    gap = kl_upper(**at) - 0.1
    assert empirical_bernstein_upper(**at, variance=1e-4) - 0.1 < 0.25 * gap
    assert empirical_bernstein_upper(**at, variance=0.09) - 0.1 > gap


def test_arrays_broadcast_and_are_their_elements():
    at = {"variance": [[0.01], [0.2]], "n_draws": 100, "delta": [0.05, 0.1, 0.2]}
    for function in (empirical_bernstein_upper, empirical_bernstein_lower):
        table = function(mean=0.4, **at)
        assert table.shape == (2, 3)
        value = function(mean=0.4, variance=0.2, n_draws=100, delta=0.1)
        assert isinstance(value, float)
        assert table[1, 1] == value


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mean": 1.1}, r"`mean` must lie in \[0, 1\], got 1\.1\. Percentages"),
        ({"mean": math.nan}, r"`mean` must lie in \[0, 1\], got nan"),
        ({"variance": -1e-9}, r"`variance` must lie in \[0, 1/2\], got -1e-09"),
        ({"variance": 0.51}, r"`variance` must lie in \[0, 1/2\], got 0\.51"),
        ({"variance": math.nan}, "`variance` must be finite, got nan"),
        ({"n_draws": 1}, r"`n_draws` must be at least 2, got 1\.0"),
        ({"n_draws": 9.5}, r"`n_draws` must be a whole number, got 9\.5"),
        ({"delta": 0.0}, r"`delta` must lie in \(0, 1\), got 0\.0"),
        ({"delta": math.nan}, r"`delta` must lie in \(0, 1\), got nan"),
    ],
)
def test_bad_arguments(change, message):
    for function in (empirical_bernstein_upper, empirical_bernstein_lower):
        with pytest.raises(ValueError, match=message):
            function(**{"mean": 0.1, "variance": 0.01, "n_draws": 100, "delta": 0.05} | change)
