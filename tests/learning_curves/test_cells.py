from dataclasses import replace

import numpy as np
import pytest

from pacbayes.errors import InputError
from pacbayes.learning_curves import cells
from pacbayes.learning_curves.cells import resampled_means

RUNS = {
    "difficulty": [2, 1, 2, 2, 1],
    "budget": [10, 10, 10, 20, 20],
    "risk": [0.2, 0.5, 0.4, 0.1, 0.3],
    "n_test": [100, 100, 300, 100, 200],
}


def test_runs_of_one_difficulty_and_budget_share_a_cell():
    data = cells(**RUNS)
    assert data.difficulties.tolist() == [1, 2]
    assert data.budgets.tolist() == [10, 20]
    assert data.difficulties[data.place].tolist() == [1, 1, 2, 2]
    assert data.budget.tolist() == [10, 20, 10, 20]
    np.testing.assert_allclose(data.mean, [0.5, 0.3, 0.3, 0.1])
    assert data.n_runs.tolist() == [1, 1, 2, 1]
    np.testing.assert_allclose(data.test_share, [0.01, 0.005, (0.01 + 1 / 300) / 4, 0.01])
    assert data.degrees_of_freedom == 1


def test_order_of_runs_does_not_matter():
    shuffled = {k: np.array(v)[[3, 1, 4, 0, 2]] for k, v in RUNS.items()}
    for a, b in zip(
        (cells(**RUNS).mean, cells(**RUNS).place), (cells(**shuffled).mean, cells(**shuffled).place),
        strict=True,
    ):
        np.testing.assert_allclose(a, b)


def test_seed_correlation_is_found_again():
    rng = np.random.default_rng(0)
    d, _ = map(np.ravel, np.meshgrid(np.linspace(0, 1, 40), np.arange(50)))
    p, rho = 0.2 + 0.4 * d, 0.01
    a = 1 / rho - 1
    risk = rng.binomial(400, rng.beta(p * a, (1 - p) * a)) / 400
    data = cells(difficulty=d, budget=np.full(2000, 10), risk=risk, n_test=400)
    # 1960 degrees of freedom: relative standard error about √(2/1960) · (ρ + 1/400)/ρ = .04
    assert data.seed_correlation(data.smoothed_mean()) == pytest.approx(rho, rel=0.16)


def test_without_repetition_or_scatter_there_is_no_seed_correlation():
    data = cells(difficulty=[0, 1], budget=[5, 5], risk=[0.1, 0.9], n_test=10)
    assert data.seed_correlation(data.smoothed_mean()) == 0
    same = cells(difficulty=[0, 0, 1, 1], budget=[5] * 4, risk=[0.1, 0.1, 0.9, 0.9], n_test=10)
    assert same.seed_correlation(same.smoothed_mean()) == 0


def test_resampling_by_seed_has_the_variance_of_new_seeds():
    rng = np.random.default_rng(1)
    data = cells(difficulty=[0] * 3 + [1] * 3, budget=[5] * 6, risk=[0.1, 0.2, 0.6, 0.3, 0.3, 0.9],
                 n_test=10)
    copies = resampled_means(data, np.zeros(2), by_seed=True, n_fits=40000, rng=rng)
    expected = [np.var([0.1, 0.2, 0.6], ddof=1) / 3, np.var([0.3, 0.3, 0.9], ddof=1) / 3]
    np.testing.assert_allclose(copies.mean(axis=0), data.mean, atol=5 * 0.2 / 200)
    np.testing.assert_allclose(copies.var(axis=0), expected, rtol=0.05)


def test_normal_noise_has_the_given_variance():
    data = cells(**RUNS)
    variance = np.array([1e-4, 1e-3, 1e-2, 1e-1])
    copies = resampled_means(
        data, variance, by_seed=False, n_fits=40000, rng=np.random.default_rng(2)
    )
    # relative standard error of a variance √(2/40000) = .007
    np.testing.assert_allclose(copies.var(axis=0), variance, rtol=0.035)


def test_variance_is_of_tests_and_seeds():
    data = replace(cells(**RUNS), n_runs=np.array([1, 1, 2, 1]))
    expected = 0.3 * 0.7 * ((0.01 + 1 / 300) / 4 + 0.02 / 2)
    assert data.variance(np.full(4, 0.3), 0.02)[2] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"risk": [0.2, 0.5, np.nan, 0.1, 0.3]}, r"`risk` must be finite; got nan in run 2"),
        ({"risk": [20, 50, 40, 10, 30]}, r"lie in \[0, 1\]; the usual mistake is a percentage"),
        ({"budget": [10, 0, 10, 20, 20]}, r"`budget` must be positive.*got 0 in run 1"),
        ({"n_test": [100, 100, 0, 100, 200]}, r"`n_test` must be at least 1.*run 2"),
        ({"difficulty": [1] * 5}, "all runs have difficulty 1; .* at least two"),
        ({"budget": [10]}, "one entry a run, got 5, 1 and 5"),
        ({"difficulty": []}, "`difficulty` must be a list of numbers"),
    ],
)
def test_bad_runs(change, message):
    with pytest.raises(InputError, match=message):
        cells(**(RUNS | change))
