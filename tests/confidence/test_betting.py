"""Betting bounds against the wealth by definition in Arb, and what they promise in simulation."""

import math
from fractions import Fraction

import numpy as np
import pytest
from scipy.stats import binom

from pacbayes.bounds.betting import GRID
from pacbayes.confidence import Betting, kl_lower, kl_upper
from tests import oracle

BETS = [oracle.ball(float(bet)) for bet in GRID]


def betting(draws, chunk=None):
    result = Betting()
    for start in range(0, len(draws), chunk or len(draws)):
        result.update(draws[start : start + (chunk or len(draws))])
    return result


def wealth(values, counts, mean):
    """Σ_k Π_i (1 − λ_k x_i)/(1 − λ_k mean)/57, of values that occur so many times."""
    total = oracle.ball(0)
    for bet in BETS:
        product = oracle.ball(1)
        for value, count in zip(values, counts, strict=True):
            product *= ((1 - bet * value) / (1 - bet * mean)) ** count
        total += product
    return total / len(BETS)


def exact(draws):
    """Distinct draws and those of 1 − x, without rounding, and how often each occurs."""
    distinct, counts = np.unique(draws, return_counts=True)
    fractions = [Fraction(float(x)) for x in distinct]
    return (
        [oracle.ball(x) for x in fractions],
        [oracle.ball(1 - x) for x in fractions],
        [int(count) for count in counts],
    )


def check(result, draws, delta, slack):
    """Both bounds refute every mean outside of them, and hardly any inside."""
    values, complements, counts = exact(draws)
    threshold = 1 / oracle.ball(delta)
    upper, lower = result.upper(delta), 1 - oracle.ball(result.lower(delta))
    assert upper == 1 or wealth(values, counts, oracle.ball(upper)) >= threshold
    assert lower == 1 or wealth(complements, counts, lower) >= threshold
    for xs, bound in ((values, oracle.ball(upper)), (complements, lower)):
        assert wealth(xs, counts, bound * (1 - oracle.ball(slack))) <= threshold


def samples():
    rng = np.random.default_rng(0)
    for i in range(60):
        n = int(10 ** rng.uniform(0, 2.7))
        yield (
            rng.random(n),
            (rng.random(n) < rng.random()).astype(float),
            np.clip(rng.normal(rng.random(), 0.01, n), 0, 1),
            10 ** rng.uniform(-20, 0, n),
            1 - 10 ** rng.uniform(-16, 0, n),
            rng.choice([0.0, 1e-300, 0.5, 1 - 2.0**-53, 1.0], n),
        )[i % 6]


# Of a bet that counts, both parts of the log-wealth, moved by 2⁻⁴⁴, are at most n λμ/(1 − λμ), μ
# times its slope: 2⁻⁴³. A constant of 2⁻⁴⁴ is at most 2⁻⁴³ of it, as the convex log-wealth rises
# from below 0 at μ = 0 to ln(1/δ) ≥ ln 2. Each update moves by 2⁻⁴⁶ more.
SLACK = 4e-13


@pytest.mark.parametrize("delta", [1e-300, 1e-9, 0.05, 0.5])
def test_outside_the_wealth_by_definition_and_close_to_it(delta):
    for draws in samples():
        check(betting(draws), draws, delta, SLACK)


def test_long_sums_are_rounded_outward_too():
    rng = np.random.default_rng(1)
    # neighbours of 0.3, whose roundings might all go one way, in several blocks
    draws = rng.permutation(0.3 + 2.0**-40 * np.arange(20_000))
    check(betting(draws), draws, 0.05, SLACK)
    many = rng.binomial(50, 0.1, 10**6) / 50
    check(betting(many), many, 0.01, SLACK)


def test_a_draw_at_a_time_stays_outside():
    draws = np.round(np.random.default_rng(2).beta(2, 8, 20_000), 2)
    check(betting(draws, chunk=1), draws, 0.05, SLACK + 20_000 * 2.0**-45)


@pytest.mark.parametrize("chunk", [1, 7, 1000, 3000])
def test_streaming_is_all_at_once(chunk):
    draws = np.random.default_rng(3).beta(1, 20, 3000)
    whole, parts = betting(draws), betting(draws, chunk)
    assert parts.n_draws == whole.n_draws == 3000
    # 3000/chunk updates, each of which moves outward by 2⁻⁴⁶
    slack = 3000 / chunk * 2.0**-45 + SLACK
    assert parts.mean == pytest.approx(whole.mean, rel=1e-13)
    assert parts.upper(0.05) == pytest.approx(whole.upper(0.05), rel=slack)
    assert 1 - parts.lower(0.05) == pytest.approx(1 - whole.lower(0.05), rel=slack)


def test_shapes_and_scalars_are_the_same_draws():
    one, table = Betting(), Betting()
    for draw in (0.25, 0.5, 0.75, 0.0):
        one.update(draw)
    table.update([[0.25, 0.5], [0.75, 0.0]])
    assert one.n_draws == table.n_draws == 4
    assert one.upper(0.1) == pytest.approx(table.upper(0.1), rel=SLACK)


def test_order_does_not_matter():
    draws = np.random.default_rng(4).beta(1, 20, 3000)
    first, last = betting(draws), betting(np.sort(draws)[::-1])
    assert first.upper(0.05) == last.upper(0.05)
    assert first.lower(0.05) == last.lower(0.05)
    in_parts = betting(np.sort(draws), chunk=1000)
    assert in_parts.upper(0.05) == pytest.approx(first.upper(0.05), rel=SLACK)


def test_asking_changes_nothing():
    draws = np.random.default_rng(5).random(100)
    asked = Betting()
    for draw in draws:
        asked.update(draw)
        asked.upper(0.05)
        asked.lower(0.3)
    silent = betting(draws, chunk=1)
    assert (asked.upper(0.1), asked.lower(0.1)) == (silent.upper(0.1), silent.lower(0.1))


RUNS, DRAWS, DELTA = 1500, 150, 0.1

MOST = binom.isf(1e-6, RUNS, DELTA)
"""More failures than this have probability at most 1e-6 where each has at most δ."""


@pytest.mark.parametrize(
    "population",
    [
        ([0.0, 1.0], [0.97, 0.03]),
        ([0.0, 1.0], [0.4, 0.6]),
        ([0.1, 0.15, 0.2], [0.3, 0.3, 0.4]),
        ([0.0, 0.02, 0.9], [0.45, 0.5, 0.05]),
    ],
    ids=str,
)
def test_coverage(population):
    values, weights = population
    draws = np.random.default_rng(6).choice(values, size=(RUNS, DRAWS), p=weights)
    mean = float(np.dot(values, weights))
    runs = [betting(run) for run in draws]
    assert sum(run.upper(DELTA) < mean for run in runs) <= MOST
    assert sum(run.lower(DELTA) > mean for run in runs) <= MOST
    # the twin that must fail: the threshold ignored, which leaves the mean
    assert sum(run.mean < mean for run in runs) > MOST
    assert sum(run.mean > mean for run in runs) > MOST


def test_the_best_bet_chosen_afterwards_is_no_bound():
    mean, runs = 0.1, 1000
    errors = (np.random.default_rng(7).random((runs, 2000)) < mean).cumsum(axis=1)
    times = np.arange(1, 2001)
    mixture, best = np.zeros(errors.shape), np.zeros(errors.shape)
    for bet in GRID:
        log_factors = np.log1p(-bet * np.array([0.0, 1.0])) - np.log1p(-bet * mean)
        path = np.exp((times - errors) * log_factors[0] + errors * log_factors[1])
        mixture += path / len(GRID)
        best = np.maximum(best, path)
    most = binom.isf(1e-6, runs, DELTA)
    assert (mixture > 1 / DELTA).any(axis=1).sum() <= most
    assert (best > 1 / DELTA).any(axis=1).sum() > most  # the twin that must fail


@pytest.mark.parametrize(("spread", "share"), [(0.005, 0.3), (0.02, 0.5)])
def test_narrower_than_kl_where_the_draws_vary_little(spread, share):
    draws = np.random.default_rng(8).normal(0.1, spread, 5000).clip(0, 1)
    result, at = betting(draws), {"mean": draws.mean(), "n_draws": 5000, "delta": 0.05}
    assert result.upper(0.05) - result.mean < share * (kl_upper(**at) - result.mean)
    assert result.mean - result.lower(0.05) < share * (result.mean - kl_lower(**at))


@pytest.mark.parametrize("mean", [0.02, 0.3])
def test_at_most_half_as_wide_again_as_kl_on_errors(mean):
    n = 20_000
    draws = np.repeat([0.0, 1.0], [n - int(n * mean), int(n * mean)])
    result, at = betting(draws), {"mean": mean, "n_draws": n, "delta": 0.05}
    # √((ln 20 + ln 57)/ln 20) = 1.53 if one bet had to carry all; its neighbours help
    assert result.upper(0.05) - mean <= 1.5 * (kl_upper(**at) - mean)
    assert mean - result.lower(0.05) <= 1.5 * (mean - kl_lower(**at))


def test_a_smaller_delta_never_narrows():
    result = betting(np.random.default_rng(9).random(50))
    deltas = [1e-300, 1e-20, 0.01, 0.1, 0.5, 1 - 1e-9]
    uppers = [result.upper(delta) for delta in deltas]
    lowers = [result.lower(delta) for delta in deltas]
    assert uppers == sorted(uppers, reverse=True)
    assert lowers == sorted(lowers)
    assert lowers[-1] <= result.mean <= uppers[-1]


def test_before_the_first_draw():
    empty = Betting()
    assert (empty.n_draws, empty.mean) == (0, 0.5)
    assert (empty.lower(0.5), empty.upper(0.5)) == (0.0, 1.0)


@pytest.mark.parametrize("n", [1, 30, 5000])
def test_all_draws_alike(n):
    zeros, ones = betting(np.zeros(n)), betting(np.ones(n))
    assert (zeros.mean, ones.mean) == (0.0, 1.0)
    assert zeros.lower(0.05) == 0.0
    assert ones.upper(0.05) == 1.0
    # not below the exact bound of one who knows that they are errors or none, 1 − δ^(1/n)
    least = -math.expm1(math.log(0.05) / n)
    assert least < zeros.upper(0.05) <= min(1.0, 3 * least)
    assert ones.lower(0.05) == pytest.approx(1 - zeros.upper(0.05), abs=2e-15)


@pytest.mark.parametrize("bad", [1.5, -1e-300, math.nan, math.inf])
def test_bad_draws_raise_and_none_is_taken(bad):
    result = betting([0.2, 0.3])
    before = (result.n_draws, result.mean, result.upper(0.05), result.lower(0.05))
    with pytest.raises(ValueError, match=r"`draws` must lie in \[0, 1\], got"):
        result.update([0.9, bad, 0.9])
    assert (result.n_draws, result.mean, result.upper(0.05), result.lower(0.05)) == before


@pytest.mark.parametrize("delta", [0.0, 1.0, -0.1, math.nan])
def test_bad_delta(delta):
    for ask in (Betting().upper, betting([0.5]).lower):
        with pytest.raises(ValueError, match=r"`delta` must lie in \(0, 1\), got"):
            ask(delta)


def test_no_draws_change_nothing():
    result = betting([0.5])
    result.update([])
    assert result.n_draws == 1
