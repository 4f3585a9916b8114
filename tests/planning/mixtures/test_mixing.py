"""The rules of mixing against definitions, by bisection on the curves themselves."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pacbayes.learning_curves import Curves
from pacbayes.planning.mixtures import MIXING, effective_sample_size, mixed_risk

RULES = list(MIXING)


def random_curves(rng, fits=20, k=4, *, useless=False):
    base = rng.uniform(0.4, 0.9, fits)
    top = 1.05 if useless else 0.95
    return Curves(
        difficulties=np.arange(k, dtype=float),
        asymptote=np.minimum(rng.uniform(0.02, top, (fits, k)) * base[:, None], 0.99),
        scale=np.exp(rng.normal(6, 1.5, (fits, k))),
        exponent=np.exp(rng.normal(-0.1, 0.4, fits)),
        base_risk=base,
    )


def one(curves, i):
    return Curves(
        difficulties=curves.difficulties,
        asymptote=curves.asymptote[[i]],
        scale=curves.scale[[i]],
        exponent=curves.exponent[[i]],
        base_risk=curves.base_risk[[i]],
    )


def pure_budget(curves, k, risk):
    """N_k(ρ) by bisection on the curve; infinite below its asymptote."""
    low, high = -60.0, 80.0
    if float(curves.risk(np.exp(high))[0, k]) > risk:
        return np.inf
    for _ in range(200):
        middle = (low + high) / 2
        if float(curves.risk(np.exp(middle))[0, k]) > risk:
            low = middle
        else:
            high = middle
    return np.exp(high)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("budget", [1.0, 300.0, 1e5, 1e9])
def test_a_single_stratum_keeps_its_own_curve(rule, budget):
    curves = random_curves(np.random.default_rng(0), fits=100, useless=True)
    for k, row in enumerate(np.eye(4)):
        found = MIXING[rule](curves, row, budget)
        assert found.risk == pytest.approx(curves.risk(budget)[:, k], rel=1e-12)
        # its own example moves it along its own curve: d ln n = 1/n
        h = 1e-5
        along = (curves.risk(budget * (1 + h)) - curves.risk(budget * (1 - h)))[:, k] / (2 * h)
        marginal = found.by_example(row, budget)[:, k] * budget
        assert marginal == pytest.approx(along, rel=1e-4, abs=1e-9)


def test_equivalent_budgets_add_to_one():
    rng = np.random.default_rng(1)
    curves = random_curves(rng, fits=8)
    weights = rng.dirichlet(np.ones(4))
    found = MIXING["equivalent_budgets"](curves, weights, 700.0).risk
    for i, risk in enumerate(found):
        shares = [700 * a / pure_budget(one(curves, i), k, risk) for k, a in enumerate(weights)]
        assert sum(shares) == pytest.approx(1, rel=1e-6)


def test_two_strata_of_one_asymptote_average_their_rates_under_both_rules():
    curves = Curves(
        difficulties=np.arange(2.0),
        asymptote=np.full((1, 2), 0.1),
        scale=np.array([[100.0, 900.0]]),
        exponent=np.array([0.8]),
        base_risk=np.array([0.6]),
    )
    rate = 0.25 / 100 + 0.75 / 900
    expected = 0.1 + 0.5 / (1 + (500 * rate) ** 0.8)
    for rule in RULES:
        found = MIXING[rule](curves, np.array([0.25, 0.75]), 500.0)
        assert found.risk[0] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("rule", RULES)
def test_gradients_are_those_of_finite_differences(rule):
    rng = np.random.default_rng(2)
    curves = random_curves(rng, useless=True)
    h, a = 1e-6, rng.dirichlet(np.ones(4))
    found = MIXING[rule](curves, a, 800.0)
    for k, row in enumerate(np.eye(4)):
        rise = MIXING[rule](curves, a + h * row, 800.0).risk
        fall = MIXING[rule](curves, a - h * row, 800.0).risk
        assert found.by_weight[:, k] == pytest.approx((rise - fall) / (2 * h), rel=1e-5, abs=1e-7)
    rise, fall = (MIXING[rule](curves, a, 800 * np.exp(s)).risk for s in (h, -h))
    assert found.by_log_budget == pytest.approx((rise - fall) / (2 * h), rel=1e-5, abs=1e-7)


@pytest.mark.parametrize("rule", RULES)
def test_the_value_of_an_example_is_that_of_adding_a_little_of_one(rule):
    rng = np.random.default_rng(3)
    curves, a, n = random_curves(rng), rng.dirichlet(np.ones(4)), 800.0
    marginal = MIXING[rule](curves, a, n).by_example(a, n)
    for k, row in enumerate(np.eye(4)):
        h = 0.01
        more, less = (
            MIXING[rule](curves, (n * a + s * row) / (n + s), n + s).risk for s in (h, -h)
        )
        assert marginal[:, k] == pytest.approx((more - less) / (2 * h), rel=1e-5, abs=1e-11)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([10.0, 1e3, 1e5]))
def test_no_mixture_beats_every_single_stratum_by_equivalent_budgets(seed, budget):
    rng = np.random.default_rng(seed)
    curves = random_curves(rng, useless=True)
    mixed = MIXING["equivalent_budgets"](curves, rng.dirichlet(np.full(4, 0.5)), budget).risk
    alone = curves.risk(budget)
    assert np.all(mixed >= alone.min(axis=1) * (1 - 1e-10))
    assert np.all(mixed <= np.maximum(alone.max(axis=1), curves.base_risk) * (1 + 1e-10))


def test_averaged_curves_claim_what_equivalent_budgets_deny():
    curves = Curves(
        difficulties=np.arange(2.0),
        asymptote=np.array([[0.3, 0.05]]),
        scale=np.array([[50.0, 5000.0]]),
        exponent=np.array([1.0]),
        base_risk=np.array([0.7]),
    )
    half = np.array([0.5, 0.5])
    best = curves.risk(1000.0).min()
    assert MIXING["averaged_curves"](curves, half, 1000.0).risk[0] < 0.8 * best
    assert MIXING["equivalent_budgets"](curves, half, 1000.0).risk[0] >= best


@pytest.mark.parametrize("rule", RULES)
def test_order_of_strata_does_not_matter(rule):
    rng = np.random.default_rng(4)
    curves, a, order = random_curves(rng, useless=True), rng.dirichlet(np.ones(4)), [2, 0, 3, 1]
    moved = Curves(
        difficulties=curves.difficulties,
        asymptote=curves.asymptote[:, order],
        scale=curves.scale[:, order],
        exponent=curves.exponent,
        base_risk=curves.base_risk,
    )
    straight, other = MIXING[rule](curves, a, 400.0), MIXING[rule](moved, a[order], 400.0)
    assert other.risk == pytest.approx(straight.risk, rel=1e-11)
    assert other.by_weight == pytest.approx(straight.by_weight[:, order], rel=1e-8, abs=1e-12)


def test_target_risk_is_the_mean_over_test_strata():
    rng = np.random.default_rng(5)
    parts = tuple(random_curves(rng) for _ in range(3))
    v, a = rng.dirichlet(np.ones(3)), rng.dirichlet(np.ones(4))
    for rule in RULES:
        found = mixed_risk(rule, parts, v, a, 300.0)
        alone = [MIXING[rule](each, a, 300.0) for each in parts]
        assert found.risk == pytest.approx(sum(w * p.risk for w, p in zip(v, alone, strict=True)))


@pytest.mark.parametrize(
    ("weights", "n", "expected"),
    [
        ([1, 0], [70, 0], 70.0),
        ([0.5, 0.5], [100, 300], 1 / (0.25 / 100 + 0.25 / 300)),
        ([0.25, 0.75], [100, 300], 400.0),
        ([0.5, 0.5], [100, 0], 0.0),
    ],
)
def test_effective_sample_size(weights, n, expected):
    assert effective_sample_size(weights, n) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("weights", "n", "text"),
    [
        ([30, 70], [1, 1], "the usual mistake is counts"),
        ([0.5, 0.5], [1], "one weight for each of 1 strata"),
        ([0.5, 0.5], [1, -1], "`n` must count units"),
        ([1.5, -0.5], [1, 1], "at least 0"),
        ([np.nan, 1], [1, 1], "`weights` must be"),
    ],
)
def test_bad_weights(weights, n, text):
    with pytest.raises(ValueError, match=text):
        effective_sample_size(weights, n)
