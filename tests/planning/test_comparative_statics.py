import numpy as np
import pytest

from pacbayes.errors import InputError
from pacbayes.learning_curves import cells
from pacbayes.planning.comparative_statics import (
    comparative_statics,
    complete_budgets,
    observed_optima,
)

BUDGETS = [10, 100, 1000]


@pytest.mark.parametrize(
    ("paths", "verdict", "says"),
    [
        ([[0, 1, 1], [0, 0, 2]], "monotone", "moves to harder data from budget 10 to 1000 in 100%"),
        ([[1, 1, 1], [2, 2, 2]], "flat", "stays"),
        ([[2, 1, 1], [2, 2, 0]], "reversed", "moves to easier data"),
        ([[0, 1, 2], [2, 1, 0]], "undecided", "monotone in 50%, flat in 0%, reversed in 50%"),
        ([[0, 2, 1], [0, 2, 1]], "undecided", "monotone in 0%"),
    ],
)
def test_verdicts(paths, verdict, says):
    found = comparative_statics(paths, BUDGETS)
    assert found.verdict == verdict
    assert says in found.statement


def test_moves_within_the_tolerance_are_none():
    assert comparative_statics([[0.1, 0.11, 0.1]], BUDGETS, tolerance=0.02).verdict == "flat"
    assert comparative_statics([[0.1, 0.4, 0.39]], BUDGETS, tolerance=0.02).verdict == "monotone"


def test_the_level_is_a_share_of_the_fits():
    paths = [[0, 1, 2]] * 9 + [[1, 1, 1]]
    assert comparative_statics(paths, BUDGETS, level=0.9).verdict == "monotone"
    assert comparative_statics(paths, BUDGETS, level=0.95).verdict == "undecided"


def test_runs_overrule_fits_that_cannot_fall():
    # harder data gets worse with budget, which monotone curves can hardly follow
    d, n = map(np.ravel, np.meshgrid([0, 1, 2], [10, 1000]))
    risk = np.where(n == 10, 0.5 - 0.1 * d, 0.2 + 0.1 * d)
    data = cells(difficulty=d, budget=n, risk=risk, n_test=1000)
    seen = observed_optima(data, data.variance(risk, 0.0), n_fits=200)
    found = comparative_statics(
        [[0, 1, 2]], BUDGETS, observed=seen, observed_budgets=complete_budgets(data)
    )
    assert found.verdict == "reversed"
    assert "do not rely on their forecasts" in found.statement


def test_noise_of_the_runs_overrules_nothing():
    d, n = map(np.ravel, np.meshgrid([0, 1, 2], [10, 1000]))
    data = cells(difficulty=d, budget=n, risk=np.full(6, 0.3), n_test=1000)
    seen = observed_optima(data, np.full(6, 1e-4), n_fits=500)
    assert seen.shape == (500, 2)
    # each difficulty is best in a third: standard error .021
    np.testing.assert_allclose([np.mean(seen == i) for i in range(3)], 1 / 3, atol=0.08)
    found = comparative_statics(
        [[0, 1, 2]], BUDGETS, observed=seen, observed_budgets=complete_budgets(data)
    )
    assert found.verdict == "monotone"


def test_budgets_that_lack_a_difficulty_are_left_out():
    data = cells(difficulty=[0, 1, 0], budget=[10, 10, 20], risk=[0.1, 0.2, 0.1], n_test=9)
    assert complete_budgets(data).tolist() == [10]
    assert observed_optima(data, np.zeros(3), n_fits=4).tolist() == [[0]] * 4


def test_one_budget_decides_nothing():
    found = comparative_statics([[1.0], [2.0]], [10])
    assert found.verdict == "undecided"
    assert "One budget" in found.statement


@pytest.mark.parametrize(
    ("paths", "budgets", "level", "message"),
    [
        ([[1, 2]], [1, 2, 3], 0.9, r"must have shape \(fits, budgets\), got \(1, 2\) for 3"),
        ([[1, 2]], [2, 1], 0.9, "strictly increasing"),
        ([[1, 2]], [1, 2], 0.5, r"`level` must lie in \(0.5, 1\)"),
    ],
)
def test_bad_input(paths, budgets, level, message):
    with pytest.raises(InputError, match=message):
        comparative_statics(paths, budgets, level=level)
