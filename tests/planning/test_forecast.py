"""Forecasts: the parts of the bound are the kl bound's, and KL grows as fitted."""

import dataclasses

import numpy as np
import pytest

from pacbayes.bounds import seeger_maurer
from pacbayes.plan import Target
from pacbayes.planning.forecast import fit_forecaster
from pacbayes.planning.pilots import pilots_of
from tests.pilots import TARGET, make_runs, true_risk

GIVEN = Target(weights=TARGET, path=None, sha256=None, n=None)
RUNS = make_runs(n_test=2000)


def fit(runs, n_fits=100):
    pilots = pilots_of(runs, GIVEN)
    grid = np.unique(pilots.difficulty)
    return fit_forecaster(pilots, grid, n_fits=n_fits, seed=0, level=0.9)


FITTED = fit(RUNS)


def test_parts_are_those_of_the_kl_bound():
    found = FITTED.at(8000)
    bound = seeger_maurer(
        empirical_risk=found.empirical_risk[3, 1],
        kl=FITTED.kl(8000)[3, 1],
        n=8000,
        delta=RUNS[0].delta,
    )
    assert found.empirical_risk[3, 1] + found.generalization_gap[3, 1] == pytest.approx(bound)
    assert found.bound.shape == (100, 3)
    assert np.all(found.generalization_gap > 0)


def test_gap_is_that_of_the_invented_world():
    # the gap of easy training at the largest budget of the runs; noise of tests of 2000 is .011,
    # of the mean over two seeds .008, and three of these are allowed
    found = FITTED.at(4000)
    truth = sum(w * true_risk("easy", s, 4000) for s, w in TARGET.items())
    truth -= true_risk("easy", "easy", 4000)
    assert found.extrapolation_gap[:, 0].mean() == pytest.approx(truth, abs=0.025)
    assert found.extrapolation_gap[:, 2].mean() < 0.02


def test_kl_follows_its_exponent_in_every_fit():
    ratio = FITTED.kl(16000) / FITTED.kl(1000)
    assert np.allclose(ratio, 16 ** FITTED.exponents[:, None])
    half = (FITTED.growth.interval[1] - FITTED.growth.interval[0]) / 2
    # 100 draws: quantiles are rough, 40 % is beyond three of their standard errors
    assert np.quantile(FITTED.exponents, 0.95) - FITTED.growth.exponent == pytest.approx(
        half, rel=0.4
    )


def test_one_budget_keeps_its_kl():
    fitted = fit(make_runs(budgets=(2000,)))
    assert np.all(fitted.kl(2000) == fitted.kl(64000))


def test_kl_of_zero_does_not_break_the_fit():
    runs = [dataclasses.replace(run, kl=0.0) for run in RUNS]
    assert np.all(np.isfinite(fit(runs).at(4000).bound))
