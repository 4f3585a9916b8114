"""Inputs at the ends of float64, found by a review: each was once on the wrong side, or crashed."""

import itertools
import math

import mpmath
import numpy as np
import pytest

from pacbayes import bounds


@pytest.mark.parametrize(
    ("k", "n", "delta"),
    [
        (1, 2, 1 - 2**-53),
        (10000, 30000, 1 - 1e-9),
        (333, 1000, 1 - 1e-9),
        (400_000, 2 * 10**9, 1e-300),
    ],
)
def test_certified_binomial_near_either_end_of_delta(k, n, delta):
    at = {"n_errors": k, "n": n, "delta": delta}
    for name in ("test_set_binomial", "test_set_binomial_lower"):
        rigorous, value = bounds.certified(name, **at), bounds.BOUNDS["test_set_binomial"]
        value = (value.lower if name.endswith("lower") else value.function)(**at)
        assert 0 <= rigorous <= 1
        assert (value <= rigorous) if name.endswith("lower") else (value >= rigorous)
    if n == 2:
        assert bounds.certified("test_set_binomial", **at) == pytest.approx(2**-26.5, rel=1e-12)


@pytest.mark.parametrize(
    ("k", "log_prior", "n"), [(500, -1e6, 1000), (999, -1e4, 1000), (600, -5e7, 30000)]
)
def test_a_code_longer_than_the_sample_says_nothing(k, log_prior, n):
    at = {"n_errors": k, "log_prior": log_prior, "n": n, "delta": 0.05}
    assert bounds.occam_binomial(**at) == 1.0
    assert bounds.certified("occam_binomial", **at) == 1.0


def exact_kl(q, p):
    with mpmath.workdps(400):
        q, p = mpmath.mpf(q), mpmath.mpf(p)
        left = q * mpmath.log(q / p) if q else mpmath.mpf(0)
        return left + ((1 - q) * mpmath.log((1 - q) / (1 - p)) if q < 1 else 0)


def test_divergence_of_subnormal_numbers():
    tiny = [5e-324, 1e-320, 1e-310, 2e-301, 1e-299]
    ordinary = [1e-12, 5.95e-5, 0.3, 0.5, 1 - 2**-53]
    for q, p in itertools.product([0.0, *tiny, *ordinary, 1.0], [*tiny, *ordinary]):
        value, exact = bounds.binary_kl(q, p), exact_kl(q, p)
        assert value >= exact, (q, p)
        assert value <= exact * (1 + mpmath.mpf(10) ** -12) + mpmath.mpf(10) ** -299, (q, p)


@pytest.mark.parametrize(
    ("coefficients", "risk", "kl", "n"),
    [
        ([1.0], [1e-301], 300.0, [5000]),
        ([1.0], [1e-310], 300.0, [5000]),
        ([-1.0, 1.0], [1e-15, 0.3], 1.0, [10**15, 10**6]),
        ([-1.0, -1.0], [1 - 2**-53, 1e-300], 1e-3, [10**9, 3]),
    ],
)
def test_joint_bound_of_tiny_risks(coefficients, risk, kl, n):
    at = {"coefficients": coefficients, "empirical_risk": risk, "kl": kl, "n": n, "delta": 0.05}
    for name in ("joint_kl", "joint_kl_lower"):
        value, rigorous = getattr(bounds, name)(**at), bounds.certified(name, **at)
        sign = -1 if name.endswith("lower") else 1
        assert 0 <= sign * (value - rigorous) <= 1e-11


def test_products_that_underflow():
    assert bounds.quadratic_lower(empirical_risk=1e-310, kl=0.0, n=2**53, delta=0.5) == 0
    at = {"empirical_risk": 0.0, "kl": 5.0, "n": 2798020465969, "delta": 2.4e-7}
    value = bounds.sub_gamma(**at, variance_factor=1e-320, scale=0.0)
    with mpmath.workdps(40):
        y = (5 + mpmath.log(mpmath.mpf(at["n"]) / mpmath.mpf(2.4e-7))) / (at["n"] - 1)
        exact = mpmath.sqrt(2 * mpmath.mpf(1e-320) * y)
    assert exact <= value <= exact * (1 + 1e-13)


def test_bets_on_losses_near_one():
    at = {"weights": [1.0], "losses": [[0.9999999994267345, *[0.0] * 1999]], "kl": 0.0}
    grid = [0.9999999989260264]
    value = bounds.mixture_log_wealth(**at, delta=0.05, grid=grid)
    rigorous = bounds.certified("mixture_log_wealth", **at, delta=0.05, grid=grid)
    assert rigorous <= value <= rigorous * (1 + 1e-12)


def test_log_wealth_of_losses_near_one_is_at_its_best_bet():
    at = {"losses": [0.9999999999, 0.9974], "counts": [700, 300], "kl": 300.0, "delta": 0.05}
    assert bounds.log_wealth(**at) == pytest.approx(bounds.certified("log_wealth", **at), abs=1e-9)


@pytest.mark.parametrize("mu", [1e-10, 1e-300, 5e-324, 1 - 1e-12])
def test_split_at_the_ends(mu):
    excess = max(0.3 - mu, 0.0) + 1e-13 * (1 - mu)
    at = {"empirical_risk": 0.3, "mu": mu, "excess": min(excess, (1 - mu) * 0.3), "kl": 300.0}
    for name in ("split_kl", "split_kl_lower"):
        value = getattr(bounds, name)(**at, n=1000001, delta=0.05)
        rigorous = bounds.certified(name, **at, n=1000001, delta=0.05)
        sign = -1 if name.endswith("lower") else 1
        assert 0 <= sign * (value - rigorous) <= 1e-5


GOOD = {"empirical_risk": 0.1, "kl": 1.0, "n": 10, "delta": 0.1}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: bounds.catoni_grid(**GOOD, grid=[]), "`grid` must have one dimension and an entr"),
        (lambda: bounds.catoni_grid(**GOOD, grid=[[1.0]]), r"got \(1, 1\)"),
        (lambda: bounds.pinsker(**GOOD | {"delta": 1e-310}), "`delta` must be at least 1e-305"),
        (lambda: bounds.pinsker(**GOOD | {"kl": 1j}), "`kl` must be a number or an array, got 1j"),
        (lambda: bounds.pinsker(**GOOD | {"kl": "3"}), "`kl` must be a number or an array"),
        (
            lambda: bounds.pinsker(**GOOD | {"kl": np.ma.array([1.0], mask=[True])}),
            "`kl` must be a number or an array",
        ),
        (
            lambda: bounds.token_freedman(
                losses=[0.3], predictable=[0.3] * 9, kl=1.0, delta=0.1, grid=[0.5]
            ),
            "`predictable` must broadcast to the shape of `losses`",
        ),
        (
            lambda: bounds.token_freedman(
                losses=[0.3], predictable=0.3, kl=1.0, delta=0.1, grid=[0.9999]
            ),
            r"`grid` must lie in \(0, 0.999\)",
        ),
        (lambda: bounds.test_set_betting(losses=[[0.3]], delta=0.1), r"must have shape \(n,\)"),
        (
            lambda: bounds.log_wealth(losses=[0.1, 0.2], counts=[1e9, 0.4], kl=1.0, delta=0.1),
            "`counts` must sum to a whole number",
        ),
        (
            lambda: bounds.simultaneous_kl(empirical_risk=[], kl=1.0, n=[], delta=0.1),
            "there must be at least one stratum",
        ),
        (
            lambda: bounds.simultaneous_kl(
                empirical_risk=[0.1, 0.2], kl=1.0, n=[9, 9], delta=[0.1, 0.2]
            ),
            "one `kl` and `delta` for all",
        ),
        (
            lambda: bounds.joint_kl(
                coefficients=[1e308, 1], empirical_risk=[0.1, 0.2], kl=1.0, n=[9, 9], delta=0.1
            ),
            r"`coefficients` must lie within ±1e\+100",
        ),
        (lambda: bounds.zero_one(n_errors=5, n=3), "`n_errors` must be a whole number from 0 to n"),
        (lambda: bounds.rank(delta=5.0), r"`delta` must lie in \(0, 1\)"),
        (lambda: bounds.rank(delta=0.1, empirical_rsk=0.1), "No bound takes `empirical_rsk`"),
        (lambda: bounds.rank(**GOOD | {"kl": [1.0, 2.0]}), "`kl` must be one number here"),
    ],
)
def test_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.filterwarnings("error")
def test_nothing_warns_at_the_edges():
    assert bounds.thiemann(**GOOD | {"empirical_risk": 0.0, "kl": math.inf}) == 1.0
    assert bounds.thiemann_lower(**GOOD | {"empirical_risk": 0.0, "kl": math.inf}) == 0.0
    assert bounds.quadratic_lower(**GOOD | {"empirical_risk": 0.0, "kl": math.inf}) == 0.0
    assert bounds.catoni(**GOOD, c=5e-324) == 1.0
    assert bounds.sub_gaussian(**GOOD | {"kl": 1e308}, sigma=1e308) == math.inf
    assert bounds.sub_gamma(**GOOD | {"kl": 1e308}, variance_factor=1e308, scale=1e308) == math.inf
    assert bounds.unexpected_bernstein(**GOOD | {"n": []}, second_moment=0.1).shape == (0,)
