"""The strata example of the theory, and Germain's identities, in worlds known exactly."""

import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pacbayes.errors import InputError
from pacbayes.gaps import Pairs, beta, harder_mass, pair_risks, total_variation_distance
from tests.gaps.worlds import world

V, W = [0.4, 0.3, 0.2, 0.1], [0.2, 0.3, 0.3, 0.2]


def test_strata_example():
    assert total_variation_distance(V, W) == pytest.approx(0.2, abs=1e-12)
    assert beta(V, W, math.inf) == pytest.approx(2, abs=1e-12)
    assert beta(V, W, 2) == pytest.approx(1.118034, abs=5e-7)
    assert harder_mass(V, W, [1, 2, 3, 4]) == pytest.approx((0.5, 0), abs=1e-12)


weights = st.lists(st.integers(0, 50), min_size=2, max_size=6)


@settings(max_examples=60, deadline=None)
@given(weights, weights, st.sampled_from([1, 1.5, 2, 7, 300, math.inf]))
def test_beta_is_its_definition_rounded_up(first, second, q):
    k = min(len(first), len(second))
    v, w = [Fraction(x) for x in first[:k]], [Fraction(x) for x in second[:k]]
    if not sum(v) or not sum(w):
        return
    v, w = [x / sum(v) for x in v], [x / sum(w) for x in w]
    ratios = [(a, b / a) for a, b in zip(v, w, strict=True) if a]
    with mpmath.workdps(60):
        exact = (
            mpmath.mpf(max(r for _, r in ratios).numerator) / max(r for _, r in ratios).denominator
        )
        if q != math.inf:
            terms = [
                mpmath.mpf(a.numerator)
                / a.denominator
                * (mpmath.mpf(r.numerator) / r.denominator) ** mpmath.mpf(q)
                for a, r in ratios
            ]
            exact = mpmath.fsum(terms) ** (1 / mpmath.mpf(q))
        value = beta([float(x) for x in v], [float(x) for x in w], q)
        # the weights themselves are rounded to 2⁻⁵³ of each
        assert exact * (1 - mpmath.mpf(10) ** -15) <= value <= exact * (1 + mpmath.mpf(10) ** -11)


@pytest.mark.parametrize("answers", [2, 3, 7])
def test_risk_is_half_the_disagreement_and_the_joint_error(answers):
    for seed in range(40):
        for risks in (world(seed, answers=answers).of_train, world(seed).of_target):
            half = 0.5 * risks.disagreement
            rest = risks.joint_error - 0.5 * risks.different_errors
            assert risks.risk == pytest.approx(half + rest, abs=1e-12)
            # what holds of any number of answers without s
            assert half + 0.5 * risks.joint_error <= risks.risk + 1e-12
            assert risks.risk <= half + risks.joint_error + 1e-12
    two = [world(seed).of_target for seed in range(40)]
    assert all(risks.different_errors == 0 for risks in two)
    many = [world(seed, answers=7).of_target for seed in range(40)]
    # the identity of two answers fails with more: the twin
    assert any(abs(r.risk - 0.5 * r.disagreement - r.joint_error) > 0.01 for r in many)


def test_pair_risks_by_drawing_pairs():
    rng = np.random.default_rng(0)
    table, labels = rng.integers(3, size=(4, 5)), rng.integers(3, size=5)
    posterior, examples = rng.dirichlet(np.ones(4)), rng.dirichlet(np.ones(5))
    exact = pair_risks(answers=table, labels=labels, posterior=posterior, example_weights=examples)
    draws = 40_000
    x = rng.choice(5, size=draws, p=examples)
    first, second = (table[rng.choice(4, size=draws, p=posterior), x] for _ in range(2))
    both = (first != labels[x]) & (second != labels[x])
    # each of four means is off by more than .0125 with probability below 2 exp(−2 · 40000 · .0125²)
    # = 7.5e-6 (Hoeffding)
    assert (first != labels[x]).mean() == pytest.approx(exact.risk, abs=0.0125)
    assert (first != second).mean() == pytest.approx(exact.disagreement, abs=0.0125)
    assert both.mean() == pytest.approx(exact.joint_error, abs=0.0125)
    assert (both & (first != second)).mean() == pytest.approx(exact.different_errors, abs=0.0125)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"disagreements": 11}, "`disagreements` must be at most `n`, got 11 of 10"),
        ({"disagreements": 2.5}, "`disagreements` must be a whole number"),
        ({"n": 0}, "`n` must be at least 1"),
        ({"joint_errors": 1}, "give both or none"),
        ({"joint_errors": 3, "errors": 5}, "`errors` must be 2 `joint_errors` plus"),
        ({"joint_errors": 0, "errors": 3}, "`errors` must be 2 `joint_errors` plus"),
        ({"joint_errors": 0, "errors": 1}, "`errors` must be 2 `joint_errors` plus"),
    ],
)
def test_counts_that_no_pairs_have(change, message):
    with pytest.raises(InputError, match=message):
        Pairs(**{"n": 10, "disagreements": 2} | change)


def test_bad_tables():
    good = {
        "answers": [[0, 1]],
        "labels": [0, 1],
        "posterior": [1],
        "example_weights": [0.5, 0.5],
    }
    with pytest.raises(InputError, match=r"`answers` must have shape \(models, examples\)"):
        pair_risks(**good | {"labels": [0]})
    with pytest.raises(InputError, match="`posterior` must sum to 1"):
        pair_risks(**good | {"posterior": [0.5]})
    with pytest.raises(InputError, match="`q` must be above 0"):
        beta(V, W, 0)
