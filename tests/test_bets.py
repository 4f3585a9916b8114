"""Bets of graded losses: their shares, their choice, and how often their bounds fail."""

import math

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pacbayes import bounds
from pacbayes.bets import bet_from, choose_bets, log_shares, shares_of
from pacbayes.certificate import Bet
from pacbayes.draws import Draws, DrawStore
from pacbayes.errors import InputError
from pacbayes.posteriors.noise import Draw, NoiseKey, Stream
from pacbayes.sampling import Plan, sample_pairs
from pacbayes.team import ALONE

LAMS = st.one_of(st.floats(1e-6, 1 - 1e-6), st.floats(-1e5, -1e-6))


@given(LAMS, st.floats(0, 1))
def test_shares_are_ratios_of_logarithms(lam, loss):
    with mpmath.workdps(60):
        exact = mpmath.log(1 - mpmath.mpf(lam) * loss) / mpmath.log(1 - mpmath.mpf(lam))
    assert float(log_shares(lam, np.array(loss))) == pytest.approx(float(exact), rel=1e-14)
    assert 0 <= log_shares(lam, np.array(loss)) <= 1


@given(LAMS, st.floats(0, 1))
def test_the_mean_logarithm_is_rounded_down(lam, share):
    with mpmath.workdps(60):
        exact = mpmath.log(1 - mpmath.mpf(lam)) * mpmath.mpf(share)
        found = bet_from(lam, share).mean_log
        assert found <= exact
        assert found == pytest.approx(float(exact), rel=1e-13)


def beta_losses(n, seed=0):
    return np.random.default_rng(seed).beta(0.2 * 63, 0.8 * 63, n)


def test_choice_is_close_to_the_best_bet():
    losses = beta_losses(5000)
    upper, lower = choose_bets(
        losses[:256],
        complexity=(100 + float(bounds.log_kt_constant(5000)) + math.log(20)) / 5000,
        n_draws=10**9,
        delta=0.01,
    )
    at = {"kl": 100.0, "n": 5000, "delta": 0.05}
    best = bounds.log_wealth(losses=losses, kl=100.0, delta=0.05)
    mean_log = np.log1p(-upper * losses).mean()
    assert best <= bounds.log_wealth_at(mean_log=mean_log, lam=upper, **at) <= best + 2e-4
    best = bounds.log_wealth_lower(losses=losses, kl=100.0, delta=0.05)
    mean_log = np.log1p(-lower * losses).mean()
    found = bounds.log_wealth_at_lower(mean_log=mean_log, lam=lower, **at)
    assert best - 2e-3 <= found <= best + 1e-9


@pytest.mark.parametrize("level", [0.0, 1.0, 1e-12])
def test_extreme_pilots_have_bets(level):
    upper, lower = choose_bets(np.full(5, level), complexity=0.1, n_draws=100, delta=0.01)
    assert 0 < upper < 1
    assert lower < 0


def test_shares_add_up():
    assert shares_of(0.1, 0) == (0.1, 0.0)
    assert shares_of(0.1, 2) == (0.05, 0.025)


class Jitter:
    """Units whose loss under noise is graded: from a uniform variable, with a mean of its own."""

    units_per_draw = 1
    team = ALONE

    def __init__(self, n, seed):
        rng = np.random.default_rng(seed)
        self.centre, self.reach = 0.3 * rng.random(n), 0.7 * rng.random(n) ** 4

    def losses(self, places, uniforms):
        return self.centre[places] + self.reach[places] * uniforms**8

    def truth(self, lam):
        """(1/n) Σ E ln(1 − λ ℓ) by quadrature."""
        x = (np.arange(4000) + 0.5) / 4000
        return np.log1p(-lam * (self.centre[:, None] + self.reach[:, None] * x**8)).mean()

    def under_noise(self, places, sigmas, *, key, draw):
        rng = np.random.Generator(Draw(key=key, number=draw, unit=0).bits(part=0))
        return self.losses(np.array(places), rng.random(len(places)))[None]


N, RUNS, DELTA = 200, 300, 0.4
BETS = (0.95, -8.0)


def misses(estimates, world):
    """How often each bet's mean logarithm is above the truth."""
    return [
        sum(found.bets[i].mean_log > world.truth(lam) for found in estimates)
        for i, lam in enumerate(BETS)
    ]


def test_bounds_of_whole_passes_hold():
    world, rng = Jitter(N, 1), np.random.default_rng(2)
    drawn = [world.losses(np.arange(N), rng.random((2, N))) for _ in range(RUNS)]
    found = [Draws(losses=losses, block=1).estimate(DELTA, BETS) for losses in drawn]
    # each bet has δ/4 = .1: more than 51 of 300 have probability below 1e-4 (binomial)
    assert max(misses(found, world)) <= 51
    # and not far off
    assert all(world.truth(lam) - found[0].bets[i].mean_log < 0.2 for i, lam in enumerate(BETS))
    # the twin that must fail: the logarithm of the mean over draws is above the mean logarithm
    many = [world.losses(np.arange(N), rng.random((50, N))).mean(0)[None] for _ in range(20)]
    wrong = [np.log1p(-0.95 * losses).mean() > world.truth(0.95) for losses in many]
    assert sum(wrong) == 20


def test_bounds_of_pairs_hold():
    world = Jitter(N, 1)
    plan = Plan(
        centre=world.centre[None],
        probabilities=np.full(N, 1 / N),
        tolerance=0.02,
        delta=DELTA,
        most=2000,
        lams=(BETS,),
        aims=(None,),
    )
    found = []
    for seed in range(100):
        key = NoiseKey(seed=seed, stream=Stream.CERTIFICATE, stratum=0)
        found += sample_pairs(world, range(N), {}, plan, key=key, store=DrawStore(None, {}))
    # at .1 each, more than 24 of 100 have probability below 1e-4
    assert max(misses(found, world)) <= 24
    assert all(world.truth(lam) - found[0].bets[i].mean_log < 0.2 for i, lam in enumerate(BETS))


@pytest.mark.parametrize("bet", [(1.0, -1.0), (0.0, 0.0), (0.5, 0.1), (-1.0, -0.1)])
def test_bets_that_are_none_are_refused(bet):
    with pytest.raises(InputError, match="`lam` must be below 1 and not 0, and `mean_log` of"):
        Bet(lam=bet[0], mean_log=bet[1])
