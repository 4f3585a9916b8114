"""That looking costs nothing, in simulation; and how few draws it takes."""

import math

import numpy as np
import pytest
from scipy.stats import binom, norm

from pacbayes.bounds.betting import GRID
from pacbayes.confidence import Betting, Stopper, kl_lower, kl_upper

RUNS, DRAWS, DELTA = 2000, 600, 0.1
VALUES, WEIGHTS = np.array([0.0, 0.5, 1.0]), np.array([0.88, 0.04, 0.08])
MEAN = float(VALUES @ WEIGHTS)

MOST = binom.isf(1e-6, RUNS, DELTA)
"""More failures than this have probability at most 1e-6 where each run has at most δ."""


@pytest.fixture(scope="module")
def kinds():
    """Which of the three values each draw of each run has."""
    rng = np.random.default_rng(0)
    return rng.choice(3, size=(RUNS, DRAWS), p=WEIGHTS)


def wealth_at_the_truth(kinds, values, mean):
    """The wealth against the true mean after every draw, shape (runs, draws)."""
    times, total = np.arange(1, kinds.shape[1] + 1), np.zeros(kinds.shape)
    for bet in GRID:
        logs = np.log1p(-bet * values)[kinds].cumsum(axis=1) - times * np.log1p(-bet * mean)
        total += np.exp(logs)
    return total / len(GRID)


@pytest.fixture(scope="module")
def wealths(kinds):
    """Against the mean, and that of 1 − x against its own: what the two sides rest on."""
    return (
        wealth_at_the_truth(kinds, VALUES, MEAN),
        wealth_at_the_truth(kinds, 1 - VALUES, 1 - MEAN),
    )


def misses(interval):
    low, high = interval
    return not low <= MEAN <= high


@pytest.fixture(scope="module")
def missed(kinds, wealths):
    """Whether each run's interval ever misses the mean, looking where it comes closest to that.

    The interval misses the mean at a time if and only if one of the wealths is then above 2/δ; so
    the two looks at which they are largest find out what looking after every draw would.
    """
    result = []
    for run, above, below in zip(VALUES[kinds], *wealths, strict=True):
        stopper, seen = Stopper(tolerance=1e-9, delta=DELTA), 0
        for time in sorted({int(above.argmax()) + 1, int(below.argmax()) + 1}):
            stopper.update(run[seen:time])
            seen = time
        result.append(misses(stopper.interval))
    return np.array(result)


def test_coverage_under_continuous_monitoring(missed):
    assert missed.sum() <= MOST


def test_a_miss_is_a_wealth_above_its_threshold(missed, wealths):
    largest = np.maximum(wealths[0].max(axis=1), wealths[1].max(axis=1))
    assert np.array_equal(missed, largest > 2 / DELTA)
    # at least one run does miss, so that the comparison says something
    assert missed.any()


def test_looking_often_finds_no_more_misses(kinds, wealths, missed):
    largest = np.maximum(wealths[0].max(axis=1), wealths[1].max(axis=1))
    for run in np.argsort(largest)[-15:]:
        stopper, previous = Stopper(tolerance=1e-9, delta=DELTA), (0.0, 1.0)
        for part in VALUES[kinds[run]].reshape(-1, 5):
            stopper.update(part)
            assert previous[0] <= stopper.interval[0]
            assert stopper.interval[1] <= previous[1]
            previous = stopper.interval
        assert missed[run] or not misses(previous)


def test_the_normal_interval_fails_when_monitored(kinds):
    times = np.arange(1, DRAWS + 1)
    mean = VALUES[kinds].cumsum(axis=1) / times
    variance = (VALUES**2)[kinds].cumsum(axis=1) / times - mean**2
    far = np.abs(mean - MEAN) > norm.isf(DELTA / 2) * np.sqrt(variance / times)
    # a twin that must fail, even if only from 50 draws on, where it is about right
    assert far[:, 49:].any(axis=1).sum() > MOST


def test_the_kl_interval_fails_when_monitored():
    times = np.arange(1, 1501)
    mean = (np.random.default_rng(5).random((RUNS, 1500)) < 0.5).cumsum(axis=1) / times
    at = {"mean": mean, "n_draws": times, "delta": DELTA / 2}
    missed = (kl_upper(**at) < 0.5) | (kl_lower(**at) > 0.5)
    # the other twin: it holds at any one time
    assert missed.sum(axis=0).max() <= MOST < missed.any(axis=1).sum()


def test_done_within_the_tolerance():
    rng = np.random.default_rng(1)
    both, upper = (Stopper(tolerance=0.01, delta=0.05, side=side) for side in ("both", "upper"))
    assert not both.done
    assert both.interval == (0.0, 1.0)
    while not (both.done and upper.done):
        draws = rng.beta(2, 18, size=50)
        for stopper in (both, upper):
            if not stopper.done:
                stopper.update(draws)
    assert 0 < both.interval[1] - both.interval[0] <= 0.02
    assert 0 < upper.interval[1] - upper.mean <= 0.01
    assert upper.interval[0] == 0.0
    assert both.interval[0] <= 0.1 <= min(both.interval[1], upper.interval[1])


def test_both_sides_share_delta_and_one_side_has_it_all():
    draws = np.random.default_rng(2).beta(2, 18, size=500)
    betting, both = Betting(), Stopper(tolerance=0.01, delta=0.05)
    upper = Stopper(tolerance=0.01, delta=0.05, side="upper")
    for taker in (betting, both, upper):
        taker.update(draws)
    assert both.interval == (betting.lower(0.025), betting.upper(0.025))
    assert upper.interval == (0.0, betting.upper(0.05))
    assert (both.n_draws, both.mean) == (500, betting.mean)


def draws_needed_by_kl(mean, tolerance, delta):
    """The fixed number of draws with which the kl interval is as narrow, were the mean known."""
    low, high = 1, 1 << 40
    while low < high:
        n = (low + high) // 2
        at = {"mean": mean, "n_draws": n, "delta": delta / 2}
        if kl_upper(**at) - kl_lower(**at) <= 2 * tolerance:
            high = n
        else:
            low = n + 1
    return high


# The variance is 1/95 and 1/24 of that of 0-1 draws. Whatever it is, no bet against a mean ε too
# large gains more than ε/(1 − μ) a draw, so that about ln(57·40)(1 − μ)/2ε = 900 draws are needed,
# a 24th of those of kl.
@pytest.mark.parametrize(("spread", "share"), [(0.0224, 0.06), (0.0447, 0.1)])
def test_far_fewer_draws_than_kl_where_they_vary_little(spread, share):
    rng, mean = np.random.default_rng(3), 0.05
    total = mean * (1 - mean) / spread**2 - 1
    stopper = Stopper(tolerance=0.004, delta=0.05)
    while not stopper.done:
        stopper.update(rng.beta(mean * total, (1 - mean) * total, size=50))
    assert stopper.interval[0] <= mean <= stopper.interval[1]
    assert stopper.n_draws < share * draws_needed_by_kl(mean, 0.004, 0.05)


def test_on_errors_it_takes_at_most_three_times_what_kl_takes():
    rng, mean = np.random.default_rng(4), 0.1
    stopper = Stopper(tolerance=0.01, delta=0.05)
    while not stopper.done:
        stopper.update((rng.random(500) < mean).astype(float))
    fixed = draws_needed_by_kl(mean, 0.01, 0.05)
    # (ln 40 + ln 57)/ln 40 = 2.1 where one bet has to carry all
    assert fixed / 3 < stopper.n_draws < 3 * fixed


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tolerance": 0.0}, r"`tolerance` must be above 0, got 0\.0"),
        ({"tolerance": -0.1}, r"`tolerance` must be above 0, got -0\.1"),
        ({"tolerance": math.nan}, "`tolerance` must be above 0, got nan"),
        ({"side": "lower"}, "`side` must be both or upper, got 'lower'"),
        ({"delta": 0.0}, r"must lie in \(0, 1\), got 0\.0\. It is a failure probability"),
        ({"delta": 1.0}, r"must lie in \(0, 1\), got 1\.0"),
        ({"delta": math.nan}, r"must lie in \(0, 1\), got nan"),
    ],
)
def test_bad_arguments(change, message):
    with pytest.raises(ValueError, match=message):
        Stopper(**{"tolerance": 0.01, "delta": 0.05} | change)


@pytest.mark.parametrize("bad", [1.1, -0.1, math.nan])
def test_bad_draws_raise_and_none_is_taken(bad):
    stopper = Stopper(tolerance=0.01, delta=0.05)
    stopper.update([0.2, 0.3])
    before = (stopper.n_draws, stopper.mean, stopper.interval)
    with pytest.raises(ValueError, match=r"`draws` must lie in \[0, 1\], got"):
        stopper.update([0.5, bad])
    assert (stopper.n_draws, stopper.mean, stopper.interval) == before
