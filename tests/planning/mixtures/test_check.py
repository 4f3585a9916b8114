"""Runs on mixtures choose the rule that made them, and no rule if none did."""

import numpy as np
import pytest
from scipy.stats import binom

from pacbayes.errors import InputError
from pacbayes.learning_curves import Curves
from pacbayes.planning.mixtures import MIXING, UNCHECKED, check_mixing

N_TEST = 2000
ROWS = np.array([[0.5, 0.5], [0.8, 0.2], [0.3, 0.7]] * 2)
BUDGETS = np.array([200.0] * 3 + [800.0] * 3)


def truth():
    return Curves(
        difficulties=np.arange(2.0),
        asymptote=np.array([[0.3, 0.05]]),
        scale=np.array([[60.0, 3000.0]]),
        exponent=np.array([1.0]),
        base_risk=np.array([0.7]),
    )


def fits(rng, n=100, noise=0.02):
    """Fits around a fit that is as far from the truth as they are from it: as a bootstrap's."""
    t = truth()
    middle = rng.normal(size=2)

    def around(values, shift):
        return values * np.exp(noise * (shift + rng.normal(size=(n, 2))))

    return Curves(
        difficulties=t.difficulties,
        asymptote=around(t.asymptote, middle),
        scale=around(t.scale, middle[::-1]),
        exponent=np.ones(n),
        base_risk=np.full(n, 0.7),
    )


def runs(rng, rule, factor=1.0):
    risk = [
        factor * MIXING[rule](truth(), a, n).risk[0] for a, n in zip(ROWS, BUDGETS, strict=True)
    ]
    return {
        "train_weights": ROWS,
        "budget": BUDGETS,
        "risk": rng.binomial(N_TEST, risk) / N_TEST,
        "n_test": N_TEST,
    }


def test_the_rule_is_found():
    for rule in MIXING:
        seeds = range(40)
        found = []
        for seed in seeds:
            rng = np.random.default_rng([7, seed])
            found.append(check_mixing(curves=[fits(rng)], target_weights=[1], **runs(rng, rule)))
        assert all(check.rule == rule for check in found if check.trusted)
        # the level is .05, somewhat more as misses are correlated: at .15 more than 14 of
        # 40 have a probability below .001
        assert binom.sf(14, 40, 0.15) < 0.001
        assert sum(not check.trusted for check in found) <= 14


def test_runs_that_no_rule_made_are_not_trusted():
    rng = np.random.default_rng(3)
    found = check_mixing(
        curves=[fits(rng)], target_weights=[1], **runs(rng, "equivalent_budgets", factor=1.3)
    )
    assert found.rule == "equivalent_budgets"
    assert not found.trusted
    assert found.miss == pytest.approx(0.3, abs=0.05)
    assert "contradict" in found.statement


def test_without_runs_the_rule_is_the_cautious_one():
    found = check_mixing(
        curves=[truth()], target_weights=[1], train_weights=[], budget=[], risk=[], n_test=1
    )
    assert found == UNCHECKED
    assert found.rule == "equivalent_budgets"
    assert "a few runs on mixtures would tell" in found.statement


def test_statement_names_number_and_rule():
    rng = np.random.default_rng(4)
    found = check_mixing(curves=[fits(rng)], target_weights=[1], **runs(rng, "averaged_curves"))
    assert "6 runs on mixtures agree with averaged curves" in found.statement
    assert found.p_value["equivalent_budgets"] < 1e-6 < found.p_value["averaged_curves"]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"risk": [0.1]}, "one entry a run"),
        ({"risk": [10.0] * 6}, r"`risk` must lie in \[0, 1\]"),
        ({"budget": [0.0] * 6}, "`budget` must be positive"),
        ({"n_test": 0}, "`n_test` must be at least 1"),
        ({"train_weights": ROWS * 100}, "counts instead of shares"),
        ({"curves": []}, "`curves` must have one entry"),
    ],
)
def test_bad_input(change, text):
    given = {
        "curves": [truth()],
        "target_weights": [1],
        **runs(np.random.default_rng(0), "averaged_curves"),
    }
    with pytest.raises(InputError, match=text):
        check_mixing(**{**given, **change})
