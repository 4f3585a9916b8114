import numpy as np
import pytest

from pacbayes.errors import InputError
from pacbayes.learning_curves import fit_learning_curves
from pacbayes.planning.misspecification import misspecification


def fit(i, departure=0.0, seeds=3, budgets=(200, 600, 1800)):
    rng = np.random.default_rng([3, i])
    d, n, _ = map(np.ravel, np.meshgrid(np.linspace(0, 1, 5), budgets, range(seeds)))
    floor = 0.1 + 0.3 * (1 - d)
    risk = floor + (0.8 - floor) / (1 + (n / (60 * np.exp(3 * d))) ** 0.9)
    # a peak at the middle budget
    risk = risk * (1 + departure * np.exp(-2 * np.log(n / 600) ** 2))
    risk = np.clip(risk * np.exp(0.03 * rng.standard_normal(len(d))), 0, 1)
    return fit_learning_curves(
        difficulty=d, budget=n, risk=rng.binomial(1000, risk) / 1000, n_test=1000, base_risk=0.8,
        n_base=1000, n_fits=100, seed=i,
    )


def test_runs_of_the_family_rarely_warn():
    p = np.array([misspecification(fit(i), n_simulations=100).p_value for i in range(20)])
    # P(Bin(20, .05) > 4) = .003
    assert np.sum(p <= 0.05) <= 4
    assert np.median(p) > 0.15


def test_a_peak_warns():
    for i in range(4):
        found = misspecification(fit(i, departure=0.5), n_simulations=100)
        assert found.p_value <= 0.05
        assert "contradict the family of learning curves" in found.warning
        assert "not to be relied on" in found.warning


def test_both_statistics_count_twice():
    found = misspecification(fit(0), n_simulations=100)
    both = (found.misfit_p_value, found.held_out_p_value)
    assert found.p_value == min(1, 2 * min(both))
    assert found.warning is None


def test_two_budgets_are_tested_by_misfit_alone():
    found = misspecification(fit(0, budgets=(200, 1800)), n_simulations=100)
    assert found.held_out_p_value is None
    assert found.p_value == found.misfit_p_value


def test_single_runs_are_tested_by_the_largest_budget_alone():
    found = misspecification(fit(0, seeds=1), n_simulations=100)
    assert found.misfit_p_value is None
    assert found.p_value == found.held_out_p_value


def test_single_runs_at_two_budgets_tell_nothing():
    found = misspecification(fit(0, seeds=1, budgets=(200, 1800)), n_simulations=100)
    assert (found.p_value, found.warning) == (None, None)


def test_the_seed_fixes_the_simulation():
    fitted = fit(1)
    a, b, c = (misspecification(fitted, n_simulations=50, seed=s) for s in (0, 0, 1))
    assert a == b
    assert a.statistic == c.statistic


@pytest.mark.parametrize(("level", "n"), [(0.0, 100), (1.0, 100), (0.05, 20)])
def test_bad_level(level, n):
    with pytest.raises(InputError, match=r"`level` must lie in \(0, 1\) with 2 / level"):
        misspecification(fit(0), level=level, n_simulations=n)
