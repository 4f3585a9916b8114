"""The recommended mixture: found, refused within the noise, and worth what is said."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from pacbayes.errors import InputError
from pacbayes.learning_curves import Curves
from pacbayes.planning.mixtures import (
    UNCHECKED,
    mixed_risk,
    recommend_mixture,
    recommend_mixtures,
    weights_by_budget,
)

BOLD = replace(UNCHECKED, rule="averaged_curves")
NAMES = ["easy", "middle", "hard"]


def make(asymptote, scale, fits=150, noise=0.1, seed=0, exponent=0.9):
    """Fits around given curves; noise is relative."""
    rng = np.random.default_rng(seed)
    k = len(asymptote)

    def around(values):
        return np.array(values) * np.exp(noise * rng.normal(size=(fits, k)))

    return Curves(
        difficulties=np.arange(k, dtype=float),
        asymptote=around(asymptote),
        scale=around(scale),
        exponent=np.full(fits, exponent),
        base_risk=np.full(fits, 0.7),
    )


TRADE = make([0.3, 0.15, 0.03], [50, 600, 6000])


def by_grid(curves, target, rule, budget, steps=40):
    k = curves[0].asymptote.shape[1]
    points = [
        np.array([j - i - 1 for i, j in zip((-1, *cut), (*cut, steps + k - 1), strict=True)])
        for cut in combinations(range(steps + k - 1), k - 1)
    ]
    return min(mixed_risk(rule, curves, target, p / steps, budget).risk.mean() for p in points)


@pytest.mark.parametrize("budget", [100.0, 1000.0, 20000.0])
@pytest.mark.parametrize("check", [UNCHECKED, BOLD])
def test_no_point_of_a_grid_is_better(budget, check):
    found = recommend_mixture(
        curves=[TRADE], target_weights=[1], strata=NAMES, budget=budget, check=check
    )
    searched = mixed_risk(
        check.rule,
        (TRADE,),
        np.ones(1),
        np.array(list(found.searched_weights.values())),
        budget,
    ).risk
    assert searched.mean() <= by_grid((TRADE,), np.ones(1), check.rule, budget) + 1e-6
    single = found.single_risk[found.best_single_stratum]
    assert found.gain == pytest.approx(single - searched.mean(), abs=1e-12)
    assert found.gain >= 0
    assert found.stationarity_gap < 1e-3 * searched.mean()


def test_clear_gains_are_taken():
    found = recommend_mixture(
        curves=[TRADE], target_weights=[1], strata=NAMES, budget=1000, check=BOLD
    )
    assert found.weights == found.searched_weights
    assert max(found.weights.values()) < 1
    assert found.gain_interval[0] > 0
    assert sum(found.weights.values()) == pytest.approx(1)
    assert found.predicted_risk < min(found.single_risk.values())
    assert found.statement.endswith("train on this mixture.")


def test_gains_within_the_noise_are_refused():
    vague = make([0.3, 0.15, 0.03], [50, 600, 6000], noise=1.0)
    found = recommend_mixture(
        curves=[vague], target_weights=[1], strata=NAMES, budget=3000, check=UNCHECKED
    )
    assert found.searched_weights != found.weights
    assert found.gain > 0 >= found.gain_interval[0]
    assert found.weights == {n: float(n == found.best_single_stratum) for n in NAMES}
    assert found.predicted_risk == pytest.approx(found.single_risk[found.best_single_stratum])
    assert "within the noise of the fits" in found.statement


def test_gains_below_what_was_missed_are_refused():
    given = {"curves": [TRADE], "target_weights": [1], "strata": NAMES, "budget": 1000}
    gain = recommend_mixture(**given, check=BOLD)
    share = gain.gain_interval[0] / gain.predicted_risk
    taken = recommend_mixture(**given, check=replace(BOLD, miss=0.9 * share))
    refused = recommend_mixture(**given, check=replace(BOLD, miss=1.1 * share))
    assert max(taken.weights.values()) < 1 == max(refused.weights.values())
    assert "by which the runs on mixtures were missed" in refused.statement


def test_a_rule_that_runs_contradict_recommends_nothing():
    found = recommend_mixture(
        curves=[TRADE],
        target_weights=[1],
        strata=NAMES,
        budget=1000,
        check=replace(BOLD, trusted=False),
    )
    assert max(found.weights.values()) == 1
    assert "contradict" in found.statement


def test_test_strata_that_want_different_data_are_served_by_a_mixture():
    # each stratum teaches itself and hardly the other
    parts = [
        make([0.05, 0.6], [100, 100], noise=0.05, seed=1),
        make([0.6, 0.05], [100, 100], noise=0.05, seed=2),
    ]
    found = recommend_mixture(
        curves=parts, target_weights=[0.5, 0.5], strata=["a", "b"], budget=2000
    )
    assert found.weights["a"] == pytest.approx(0.5, abs=0.05)
    assert found.gain_interval[0] > 0.1
    assert all(value < 0 for value in found.marginal_value.values())
    # at an inner optimum one more of either is worth the same
    assert found.marginal_value["a"] == pytest.approx(found.marginal_value["b"], rel=0.02)


def test_a_stratum_that_teaches_nothing_gets_nothing():
    useless = make([0.3, 0.9, 0.03], [50, 600, 6000])
    for check in (UNCHECKED, BOLD):
        found = recommend_mixture(
            curves=[useless], target_weights=[1], strata=NAMES, budget=1000, check=check
        )
        assert found.weights["middle"] == found.searched_weights["middle"] == 0
        assert found.marginal_value["middle"] > 0


def test_order_of_strata_does_not_matter():
    order = [2, 0, 1]
    moved = replace(TRADE, asymptote=TRADE.asymptote[:, order], scale=TRADE.scale[:, order])
    one = recommend_mixture(
        curves=[TRADE], target_weights=[1], strata=NAMES, budget=1000, check=BOLD
    )
    two = recommend_mixture(
        curves=[moved],
        target_weights=[1],
        strata=[NAMES[i] for i in order],
        budget=1000,
        check=BOLD,
    )
    assert two.predicted_risk == pytest.approx(one.predicted_risk, rel=1e-5)
    for name in NAMES:
        assert two.weights[name] == pytest.approx(one.weights[name], abs=0.02)


def test_weights_move_to_harder_strata_as_the_budget_grows():
    found = recommend_mixtures(
        budgets=[50, 1000, 10**6], curves=[TRADE], target_weights=[1], strata=NAMES, check=BOLD
    )
    weights = weights_by_budget(found)
    assert weights.shape == (3, 3)
    assert np.all(np.diff(weights @ np.arange(3)) > 0)


def test_one_stratum_is_all_there_is():
    found = recommend_mixture(
        curves=[make([0.1], [100])], target_weights=[1], strata=["all"], budget=300
    )
    assert found.weights == {"all": 1.0}
    assert found.gain == 0
    assert found.statement == "No mixture is predicted to do better than all alone."


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"budget": 0}, "`budget` must be positive"),
        ({"budget": float("nan")}, "`budget` must be positive"),
        ({"level": 1.0}, "`level` must lie"),
        ({"strata": ["a", "a", "b"]}, "different names"),
        ({"strata": ["a", "b"]}, "the usual mistake is curves on a grid"),
        ({"target_weights": [0.5, 0.5]}, "one weight for each of 1 strata"),
        ({"curves": []}, "`curves` must all have"),
    ],
)
def test_bad_input(change, text):
    given = {"curves": [TRADE], "target_weights": [1], "strata": NAMES, "budget": 100}
    with pytest.raises(InputError, match=text):
        recommend_mixture(**{**given, **change})
