"""The noise of pass-rate strata against simulated worlds whose true rates are known."""

import numpy as np
import pytest
from scipy.stats import beta

from pacbayes.data.pass_rates import fit_beta_binomial, pass_rate_noise, pass_rate_sd
from pacbayes.errors import InputError


def world(a, b, m, n, seed):
    rng = np.random.default_rng(seed)
    rates = rng.beta(a, b, n)
    return rates, rng.binomial(m, rates)


def place(difficulty, edges):
    return np.sum(np.asarray(edges)[:, None] < difficulty, axis=0)


def test_sd_of_a_pass_rate():
    assert pass_rate_sd(0.5, 8) == pytest.approx(0.1767767, abs=1e-7)
    assert pass_rate_sd(0.0, 8) == 0.0


@pytest.mark.parametrize(("a", "b", "m"), [(1, 1, 8), (0.4, 0.7, 4), (2, 6, 16), (0.3, 3, 64)])
def test_misplaced_share_is_what_happens(a, b, m):
    edges = [0.3, 0.6]
    rates, passed = world(a, b, m, 40_000, seed=m)
    noise = pass_rate_noise(passed, [m] * len(passed), edges)
    moved = place(1 - rates, edges) != place(1 - passed / m, edges)
    # binomial sd of the share at most .0025; four of them, and as much for the fitted prior
    assert noise.misplaced == pytest.approx(moved.mean(), abs=0.01)
    for stratum, share in enumerate(noise.misplaced_by_stratum):
        inside = place(1 - passed / m, edges) == stratum
        # the fit costs a little again where a stratum is small
        assert share == pytest.approx(moved[inside].mean(), abs=0.04)
    actual_sd = np.sqrt(np.mean((passed / m - rates) ** 2))
    assert noise.sd == pytest.approx(actual_sd, rel=0.03)


def test_one_sample_of_uniform_rates_in_closed_form():
    """p uniform, k of 1, edge 1/2: Beta(2, 1) is below 1/2 with probability 1/4."""
    noise = pass_rate_noise([0, 1] * 50 + [1] * 50 + [0, 1] * 25, [1] * 200, [0.5])
    a, b = noise.prior
    k = np.array([0, 1])
    below = beta.cdf(0.5, a + k, b + 1 - k)
    assert noise.misplaced == pytest.approx(0.375 * (1 - below[0]) + 0.625 * below[1], abs=1e-9)
    assert beta.cdf(0.5, 2, 1) == 0.25


def test_fit_recovers_the_distribution():
    _, passed = world(0.6, 1.4, 8, 40_000, seed=3)
    k, counts = np.unique(passed, return_counts=True)
    a, b = fit_beta_binomial(k, np.full_like(k, 8), counts)
    assert (a, b) == (pytest.approx(0.6, rel=0.05), pytest.approx(1.4, rel=0.05))


def test_more_samples_misplace_fewer():
    shares = [
        pass_rate_noise(world(1, 1, m, 5000, seed=1)[1], [m] * 5000, [0.5]).misplaced
        for m in (2, 8, 32, 128)
    ]
    assert shares == sorted(shares, reverse=True)
    assert shares[-1] < 0.05


@pytest.mark.parametrize("k", [0, 8])
def test_ties_at_an_end(k):
    noise = pass_rate_noise([k] * 30, [8] * 30, [0.25])
    assert noise.misplaced == pytest.approx(0, abs=0.01)
    assert np.isnan(noise.misplaced_by_stratum[int(k == 8)])


def test_summary_has_the_figures():
    _, passed = world(1, 1, 8, 2000, seed=1)
    text = pass_rate_noise(passed, [8] * 2000, [0.3, 0.6]).summary
    assert "pass rates of 8 samples" in text
    assert "at most 0.18); an estimated " in text
    mixed = pass_rate_noise([1, 2, 3], [4, 8, 16], [0.5]).summary
    assert "of 4 to 16 samples" in mixed


@pytest.mark.parametrize(
    ("passed", "samples"), [([], []), ([1], [0]), ([-1], [8]), ([9], [8]), ([1, 2], [8])]
)
def test_bad_counts(passed, samples):
    with pytest.raises(InputError, match="0 <= k <= m and m >= 1"):
        pass_rate_noise(passed, samples, [0.5])


def test_bad_edges():
    with pytest.raises(InputError, match="strictly increasing"):
        pass_rate_noise([1], [8], [0.5, 0.2])
