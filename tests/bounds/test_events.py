"""That the theorems hold: expectations by enumeration, and an adversary with exact binomials."""

import math

import mpmath
import numpy as np
import pytest
from scipy.stats import binom

from pacbayes import bounds
from pacbayes.bounds.betting import GRID

SIZES = [1, 2, 3, 5, 10, 30, 100, 300, 1000]


PROBABILITIES = [0.01, 0.3, 0.5, 0.9]


def mean(n, p, log_value):
    """E exp(log_value(k)) for k ~ Bin(n, p), with 40 digits."""
    with mpmath.workdps(40):
        p = mpmath.mpf(p)
        return mpmath.fsum(
            mpmath.binomial(n, k) * mpmath.exp(log_value(k)) * p**k * (1 - p) ** (n - k)
            for k in range(n + 1)
        )


def log_likelihood(k, n, p):
    """The log-probability of a sequence with k errors."""
    return (k * mpmath.log(p) if k else 0) + ((n - k) * mpmath.log(1 - p) if k < n else 0)


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("p", PROBABILITIES)
def test_mean_of_the_exponential_of_n_kl_is_xi(n, p):
    def n_kl(k):
        return log_likelihood(k, n, mpmath.mpf(k) / n) - log_likelihood(k, n, mpmath.mpf(p))

    assert float(mean(n, p, n_kl) / bounds.xi(n)) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("p", PROBABILITIES)
def test_kt_wealth_has_mean_one(n, p):
    def log_wealth(k):
        # B(k + 1/2, n − k + 1/2)/B(1/2, 1/2): the mixture's probability of the sequence
        mixture = mpmath.beta(k + mpmath.mpf(1) / 2, n - k + mpmath.mpf(1) / 2) / mpmath.pi
        return mpmath.log(mixture) - log_likelihood(k, n, mpmath.mpf(p))

    assert float(mean(n, p, log_wealth)) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("n", SIZES)
def test_kt_mixture_loses_at_most_its_constant(n):
    with mpmath.workdps(40):
        regret = [
            log_likelihood(k, n, mpmath.mpf(k) / n)
            - mpmath.log(mpmath.beta(k + mpmath.mpf(1) / 2, n - k + mpmath.mpf(1) / 2) / mpmath.pi)
            for k in range(n + 1)
        ]
    assert float(max(regret)) == pytest.approx(bounds.log_kt_constant(n), abs=2e-12)
    assert max(regret) <= bounds.log_kt_constant(n)


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("p", PROBABILITIES)
def test_mean_of_a_bet_is_one(n, p):
    for lam in GRID[::14]:

        def log_wealth(k, lam=float(lam)):
            return k * mpmath.log(1 - mpmath.mpf(lam)) - n * mpmath.log(1 - mpmath.mpf(lam) * p)

        assert float(mean(n, p, log_wealth)) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("gamma", [0.01, 0.25, 0.5, 0.9])
def test_unexpected_bernstein_lemma(gamma):
    # E exp(γ(R − ℓ) − s ℓ²) ≤ 1 for losses of two values in [0, 1]
    s = -math.log1p(-gamma) - gamma
    for low, high in ((0.0, 1.0), (0.2, 0.9), (0.0, 0.3)):
        for p in (0.01, 0.3, 0.5, 0.9):
            mean = (1 - p) * low + p * high
            value = (1 - p) * math.exp(gamma * (mean - low) - s * low**2) + p * math.exp(
                gamma * (mean - high) - s * high**2
            )
            assert value <= 1 + 1e-15


def test_chernoff_moment_of_the_sub_gaussian_bound():
    # E exp((n − 1) x²/(2σ²)), x the positive part of a Gaussian mean of variance σ²/n, is at most n
    for n in (2, 3, 10, 100):
        # with z standard normal: exp((n − 1) z²/(2n)) has mean √n over both sides
        assert 0.5 + math.sqrt(n) / 2 <= n


SAMPLES = [(n, h) for n in (50, 100, 1000) for h in (1, 2000, 10**6)]
TRUE_RISKS = (0.1, 0.2, 0.3, 0.5, 0.7)
DELTA = 0.1


def worst(bound, samples=SAMPLES):
    """Largest exact probability that the bound fails for the luckiest of many hypotheses.

    Their error counts are independent Bin(n, risk); the posterior sits on the hypothesis with the
    fewest errors, at KL = ln(hypotheses) from the uniform prior.
    """
    rates = []
    for n, hypotheses in samples:
        upper = np.asarray(bound(np.arange(n + 1) / n, math.log(hypotheses), n))
        for risk in TRUE_RISKS:
            most = np.flatnonzero(upper < risk).max(initial=-1)
            one = binom.cdf(most, n, risk) if most >= 0 else 0.0
            rates.append(-math.expm1(hypotheses * math.log1p(-one)) if one < 1 else 1.0)
    return max(rates)


def at_delta(function, **further):
    return lambda risk, kl, n: function(empirical_risk=risk, kl=kl, n=n, delta=DELTA, **further)


VALID = {
    "seeger_maurer": at_delta(bounds.seeger_maurer),
    "time_uniform_kl": at_delta(bounds.time_uniform_kl),
    "pinsker": at_delta(bounds.pinsker),
    "thiemann": at_delta(bounds.thiemann),
    "catoni": at_delta(bounds.catoni, c=1.0),
    "catoni_grid": at_delta(bounds.catoni_grid),
    "uniform_catoni": at_delta(bounds.uniform_catoni, c=0.9, gamma=1.5),
    "occam_kl": lambda risk, kl, n: bounds.occam_kl(
        empirical_risk=risk, log_prior=-kl, n=n, delta=DELTA
    ),
    "occam_binomial": lambda risk, kl, n: bounds.occam_binomial(
        n_errors=np.rint(risk * n), log_prior=-kl, n=n, delta=DELTA
    ),
    "unexpected_bernstein": lambda risk, kl, n: bounds.unexpected_bernstein(
        empirical_risk=risk, second_moment=risk, kl=kl, n=n, delta=DELTA
    ),
    "tolstikhin_seldin": lambda risk, kl, n: bounds.tolstikhin_seldin(
        empirical_risk=risk, variance=risk * (1 - risk) * n / (n - 1), kl=kl, n=n, delta=DELTA
    ),
    "split_kl": lambda risk, kl, n: bounds.split_kl(
        empirical_risk=risk, mu=0.5, excess=risk / 2, kl=kl, n=n, delta=DELTA
    ),
    "disintegrated_kl": at_delta(bounds.disintegrated_kl),
    "log_wealth": lambda risk, kl, n: [
        bounds.log_wealth(losses=[0.0, 1.0], counts=[n - k, k], kl=kl, delta=DELTA)
        for k in np.rint(risk * n)
    ],
}


@pytest.mark.parametrize("name", VALID)
def test_the_adversary_does_not_break_the_theorem(name):
    samples = SAMPLES[:6] if name == "log_wealth" else SAMPLES
    assert worst(VALID[name], samples) <= DELTA


MUTANTS = {
    "KL dropped": lambda risk, kl, n: VALID["seeger_maurer"](risk, 0.0, n),
    "KL halved": lambda risk, kl, n: VALID["seeger_maurer"](risk, kl / 2, n),
    "log10 for ln": lambda risk, kl, n: VALID["seeger_maurer"](risk, kl / math.log(10), n),
    "log term dropped": lambda risk, kl, n: bounds.binary_kl_inverse_upper(risk, kl / n),
    "Pinsker without the root": lambda risk, kl, n: (
        risk + (kl + math.log(2 * n**0.5 / DELTA)) / (2 * n)
    ),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_the_adversary_breaks_the_mutant(name):
    assert worst(MUTANTS[name]) > 2 * DELTA


def test_occam_binomial_uses_up_its_failure_probability():
    # for the exact tail the adversary comes close to δ: the bound could not be smaller
    assert worst(VALID["occam_binomial"]) > 0.5 * DELTA
