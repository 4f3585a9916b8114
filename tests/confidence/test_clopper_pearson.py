"""Clopper–Pearson bounds against Arb's incomplete beta function, which has no float64 in it."""

import math
import time
from fractions import Fraction

import numpy as np
import pytest
from scipy.stats import beta, binom

from pacbayes.confidence import clopper_pearson_lower, clopper_pearson_upper
from tests import oracle

MOST_N = 2 * 10**9

SMALLEST = 1e-290
"""Below, a lower bound may be given as less, as float64 soon has few digits there."""


@pytest.fixture(scope="module", autouse=True)
def enough_bits():
    # the answers are compared at 1e-14 and 1 − δ goes down to 1e-9
    with oracle.precision(200):
        yield


def at_most(k, n, p):
    """P(Bin(n, p) ≤ k)."""
    return (1 - p).beta_lower(n - k, k + 1, regularized=True) if k < n else oracle.ball(1)


def at_least(k, n, p):
    """P(Bin(n, p) ≥ k)."""
    return p.beta_lower(k, n - k + 1, regularized=True) if k else oracle.ball(1)


def random_cases(count):
    """(k, n, δ): n over all magnitudes to 2e9, k at the ends and in between, δ at both ends."""
    rng = np.random.default_rng(0)
    for i in range(count):
        n = int(np.exp(rng.uniform(0, math.log(MOST_N))))
        few = int(n * 10 ** rng.uniform(-9, 0))
        k = [0, 1, n - 1, n, few, n - few, int(rng.integers(0, n + 1))][i % 7]
        delta = [
            10 ** rng.uniform(-300, 0),
            10 ** rng.uniform(-6, 0),
            1 - 10 ** rng.uniform(-9, 0),
            rng.random(),
        ][rng.integers(4)]
        yield k, n, float(delta)


def edge_cases():
    for n in (1, 2, 1000, MOST_N):
        for k in sorted({0, 1, n // 100, n // 2, n - 1, n}):
            for delta in (1e-300, 0.05, 1 - 1e-9):
                yield k, n, delta


def is_close(tail, p, k, n, delta, towards, slack):
    """Whether the exact bound of a slightly other p or δ is on the inner side of the given p.

    `slack` is relative, for p. Towards δ = 1 the tail is flat, and the error of its logarithm, at
    most a few 2⁻⁵² times (30 + |ln δ| + |np − k|), counts instead: it is that of a δ so much less.
    """
    eta = oracle.ball(1e-14 * (30 - math.log(delta) + abs(n * p - k)))
    nearer = oracle.ball(p) * (1 + towards * oracle.ball(slack))
    return tail(k, n, min(nearer, oracle.ball(1))) >= oracle.ball(delta) * (1 - eta)


def check(k, n, delta, slack):
    upper = clopper_pearson_upper(n_errors=k, n=n, delta=delta)
    lower = clopper_pearson_lower(n_errors=k, n=n, delta=delta)
    assert upper == 1 or at_most(k, n, oracle.ball(upper)) <= oracle.ball(delta)
    assert lower == 0 or at_least(k, n, oracle.ball(lower)) <= oracle.ball(delta)
    if k < n:
        assert is_close(at_most, upper, k, n, delta, -1, slack)
    if lower >= SMALLEST:
        assert is_close(at_least, lower, k, n, delta, 1, slack)
    else:
        assert k == 0 or at_least(k, n, oracle.ball(2 * SMALLEST)) > oracle.ball(delta)


# A step of at most 700 in the logit of p, whose slope is known to 1e-14, ends within 7e-12.
SLACK = 1e-11


def test_never_inside_the_truth_and_close_to_it():
    for k, n, delta in random_cases(560):
        check(k, n, delta, SLACK)


@pytest.mark.parametrize(("k", "n", "delta"), list(edge_cases()))
def test_edges(k, n, delta):
    check(k, n, delta, SLACK)


@pytest.mark.parametrize("delta", [1e-300, 1e-12, 0.05, 0.9])
@pytest.mark.parametrize("k", [20, 10**3, 10**6, 10**9])
def test_two_billion_trials(k, delta):
    # four times the error of the logarithm of the tail, where its slope is at least 1
    check(k, MOST_N, delta, 1e-14 * (30 - math.log(delta)))


@pytest.mark.parametrize("n", [1, 2, 30, 10**6, MOST_N])
@pytest.mark.parametrize("delta", [1e-280, 1e-20, 0.05, 0.999])
def test_closed_forms(n, delta):
    root = oracle.ball(delta) ** (oracle.ball(1) / n)
    upper = clopper_pearson_upper(n_errors=0, n=n, delta=delta)
    lower = clopper_pearson_lower(n_errors=n, n=n, delta=delta)
    # ln δ is rounded, so that δ^(1/n) is off by |ln δ| 2⁻⁵³ and a few more roundings
    slack = oracle.ball(1e-15 * (10 - math.log(delta)))
    assert upper == 1 or 1 - root <= oracle.ball(upper) <= (1 - root) * (1 + slack)
    assert root * (1 - slack) <= oracle.ball(lower) <= root
    assert clopper_pearson_lower(n_errors=0, n=n, delta=delta) == 0.0
    assert clopper_pearson_upper(n_errors=n, n=n, delta=delta) == 1.0


def test_scipy_is_six_percent_too_low_where_this_is_right():
    k, delta = 20, 1e-300
    ours = clopper_pearson_upper(n_errors=k, n=MOST_N, delta=delta)
    theirs = float(beta.isf(delta, k + 1, MOST_N - k))
    assert 1 - float(beta.ppf(delta, MOST_N - k, k + 1)) == pytest.approx(theirs, rel=1e-6)
    # at p = theirs the tail is far more likely than δ, so that it is no bound
    assert at_most(k, MOST_N, oracle.ball(theirs)) > 1e6 * oracle.ball(delta)
    assert at_most(k, MOST_N, oracle.ball(ours)) <= oracle.ball(delta)
    assert theirs / ours == pytest.approx(0.94, abs=0.005)


@pytest.mark.parametrize("side", ["upper", "lower"])
def test_coverage_by_enumeration(side):
    n, delta = 200, 0.1
    counts = np.arange(n + 1)
    exact = {"upper": clopper_pearson_upper, "lower": clopper_pearson_lower}[side]
    bound = exact(n_errors=counts, n=n, delta=delta)
    one_less = {"upper": np.roll(bound, 1), "lower": np.roll(bound, -1)}[side]
    rates, twin = [], []
    for p in np.linspace(0.005, 0.995, 199):
        weight = binom.pmf(counts, n, p)
        misses = bound < p if side == "upper" else bound > p
        rates.append(weight[misses].sum())
        off_by_one = one_less < p if side == "upper" else one_less > p
        twin.append(weight[off_by_one & (counts > 0) & (counts < n)].sum())
    # the sum of at most 201 probabilities is known to 1e-13
    assert max(rates) <= delta * (1 + 1e-12)
    assert max(rates) > 0.9 * delta
    assert max(twin) > delta  # an error too few or too many: the twin that must fail


def test_sides_mirror_each_other():
    for k, n, delta in random_cases(100):
        upper = clopper_pearson_upper(n_errors=k, n=n, delta=delta)
        lower = clopper_pearson_lower(n_errors=n - k, n=n, delta=delta)
        # Fraction, as 1 − p is not a float64 number; both are rounded outward by 2⁻⁵⁰ of themselves
        assert abs(float(1 - Fraction(upper) - Fraction(lower))) <= 4 * 2.0**-50


def test_arrays_broadcast_and_are_their_elements():
    errors, trials = np.array([[0], [3], [20]]), np.array([20, 1000])
    for function in (clopper_pearson_upper, clopper_pearson_lower):
        table = function(n_errors=errors, n=trials, delta=0.05)
        assert table.shape == (3, 2)
        for i, k in enumerate(errors[:, 0]):
            for j, n in enumerate(trials):
                value = function(n_errors=int(k), n=int(n), delta=0.05)
                assert isinstance(value, float)
                assert table[i, j] == value
        assert function(n_errors=[3], n=20, delta=[[0.1], [0.2]]).shape == (2, 1)


@pytest.mark.parametrize("delta", [1e-300, 0.05, 1 - 1e-9])
def test_two_billion_trials_take_well_under_a_second(delta):
    started = time.process_time()
    clopper_pearson_upper(n_errors=MOST_N // 2, n=MOST_N, delta=delta)
    # about 60 ms of one core at most, with room for a slow and busy machine
    assert time.process_time() - started < 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_errors": 2.5}, r"`n_errors` must be a whole number from 0 to n, got 2\.5\. It is a c"),
        ({"n_errors": -1}, r"`n_errors` must be a whole number from 0 to n, got -1\.0"),
        ({"n_errors": 11}, r"`n_errors` must be a whole number from 0 to n, got 11\.0"),
        ({"n_errors": [1, math.nan]}, "`n_errors` must be finite, got nan"),
        ({"n": 0}, r"`n` must be at least 1, got 0\.0"),
        ({"n": 10.5}, r"`n` must be a whole number, got 10\.5"),
        ({"n": 2.0**54}, r"`n` must be at most 2\^53"),
        ({"n": math.nan}, "`n` must be at least 1, got nan"),
        ({"delta": 0.0}, r"`delta` must lie in \(0, 1\), got 0\.0"),
        ({"delta": 1.0}, r"`delta` must lie in \(0, 1\), got 1\.0"),
        ({"delta": 1e-310}, "`delta` must be at least .*, got 1e-310"),
        ({"delta": [0.1, math.nan]}, r"`delta` must lie in \(0, 1\), got nan"),
        ({"delta": "a"}, "`delta` must be a number or an array, got 'a'"),
    ],
)
def test_bad_arguments(change, message):
    for function in (clopper_pearson_upper, clopper_pearson_lower):
        with pytest.raises(ValueError, match=message):
            function(**{"n_errors": 1, "n": 10, "delta": 0.05} | change)


@pytest.mark.parametrize(
    ("k", "n", "delta"),
    [(1, 32676, 7.000435720887491e-38), (3, 79835, 1.5126824095219864e-78)],
)
def test_rare_single_errors_to_the_accuracy_of_the_tail(k, n, delta):
    check(k, n, delta, 1e-14 * (30 - math.log(delta)))


@pytest.mark.parametrize(("n", "delta"), [(1000, 1e-299), (10**6, 1e-297)])
def test_one_error_at_the_smallest_delta(n, delta):
    lower = clopper_pearson_lower(n_errors=1, n=n, delta=delta)
    # δ/n but for a factor of 1 − δ, where 8e-303 and 6e-305 are given
    assert lower / (delta / n) == pytest.approx(1, abs=1e-11)
