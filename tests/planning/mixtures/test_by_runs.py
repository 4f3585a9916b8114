"""Mixtures that were run: found again, and the better one forecast beyond its runs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pacbayes.planning.mixtures import try_mixtures
from pacbayes.planning.mixtures.by_runs import same_mixtures
from pacbayes.planning.selection import apportion

MIXES = np.array([[0.5, 0.5, 0.0], [0.0, 0.5, 0.5], [0.2, 0.3, 0.5]])
LEFT, HALF, EXPONENT, START = np.array([0.3, 0.1, 0.2]), np.array([40.0, 90.0, 60.0]), 1.2, 0.9
N_TEST = 2000


def truth(budget):
    return LEFT + (START - LEFT) / (1 + (budget / HALF) ** EXPONENT)


def rounded(weights, budget):
    return np.array(apportion(budget, weights)) / budget


def runs(budgets, seeds=3, seed=0):
    """Weights, budgets and risks of runs on all mixtures, in random order."""
    rng = np.random.default_rng(seed)
    rows = [
        (rounded(mix, n), n, rng.binomial(N_TEST, truth(n)[i]) / N_TEST)
        for i, mix in enumerate(MIXES)
        for n in budgets
        for _ in range(seeds)
    ]
    rng.shuffle(rows := np.array(rows, dtype=object))
    weights, n, risk = zip(*rows, strict=True)
    return np.array(weights), np.array(n, float), np.array(risk, float)


def tried(budgets, **changes):
    weights, n, risk = runs(budgets)
    given = {"train_weights": weights, "budget": n, "risk": risk, "n_test": np.full(len(n), N_TEST)}
    return try_mixtures(**(given | {"base_risk": START, "n_fits": 200} | changes))


def test_the_best_mixture_changes_with_the_budget_and_its_risk_is_foretold():
    found = tried((10, 40, 160))
    assert found.n_runs.tolist() == [9, 9, 9]
    for n in (40, 160, 640):
        place, risk = found.best(n)
        ours = int(np.abs(MIXES - found.weights[place]).max(axis=1).argmin())
        assert ours == truth(n).argmin()
        assert abs(risk.mean() - truth(n).min()) < 0.03
    assert truth(40).argmin() != truth(640).argmin()


def test_the_slope_is_that_of_the_curve():
    curves = tried((10, 40, 160)).curves
    low, high = (curves.risk(100 * np.exp(s)) for s in (-1e-5, 1e-5))
    np.testing.assert_allclose(curves.by_log_budget(100), (high - low) / 2e-5, rtol=1e-5)


def test_mixtures_at_one_budget_or_a_single_mixture_have_no_curve():
    assert tried((100,)) is None
    weights, n, risk = runs((10, 40))
    first = np.abs(weights - MIXES[0]).max(axis=1) < 0.06
    assert tried((10, 40), train_weights=weights[first], budget=n[first], risk=risk[first],
                 n_test=np.full(first.sum(), N_TEST)) is None  # fmt: skip
    nothing = {"train_weights": np.empty((0, 3)), "budget": [], "risk": [], "n_test": []}
    assert tried((10,), **nothing) is None


@given(st.permutations(range(12)))
@settings(max_examples=50, deadline=None)
def test_roundings_of_one_mixture_are_put_together(order):
    budgets = np.repeat([64, 256, 1024, 4096], 3)[list(order)]
    of = np.tile(np.arange(3), 4)[list(order)]
    weights = np.array([rounded(MIXES[i], n) for i, n in zip(of, budgets, strict=True)])
    groups = same_mixtures(weights, budgets.astype(float))
    assert sorted(sorted(of[group]) for group in groups) == [[i] * 4 for i in range(3)]
    assert sorted(i for group in groups for i in group) == list(range(12))


@pytest.mark.parametrize("off", [0.02, -0.02])
def test_mixtures_that_differ_by_more_than_rounding_are_apart(off):
    weights = np.array([[0.5, 0.5], [0.5 + off, 0.5 - off]])
    assert len(same_mixtures(weights, np.array([1000.0, 1000.0]))) == 2
    assert len(same_mixtures(weights, np.array([1000.0, 20.0]))) == 1
