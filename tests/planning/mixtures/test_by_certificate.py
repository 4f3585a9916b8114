"""Weights of least certificate against brute force and the conditions of an optimum."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pacbayes.bounds import joint_kl, mixture_hoeffding
from pacbayes.errors import InputError
from pacbayes.planning.mixtures import GAP_TERMS, least_certificate_mixture

V = np.array([0.2, 0.3, 0.5])
D = np.array([0.1, 0.5, 0.9])
GIVEN = {
    "empirical_risk": [0.05, 0.1, 0.2],
    "n": [4000, 1500, 600],
    "kl": 60.0,
    "delta": 0.05,
    "target_weights": V,
    "difficulties": D,
    "lipschitz": 0.4,
}


def gap(term, a):
    if term == "none":
        return 0.0
    if term == "total_variation":
        return 0.5 * sum(abs(x - y) for x, y in zip(a, V, strict=True))
    fa, fv = np.cumsum(a), np.cumsum(V)
    return 0.4 * sum((D[i + 1] - D[i]) * max(fa[i] - fv[i], 0) for i in range(2))


def value(term, a, lam):
    r, n = np.array(GIVEN["empirical_risk"]), np.array(GIVEN["n"])
    return a @ r + (60 + np.log(20)) / lam + lam / 8 * np.sum(a**2 / n) + gap(term, a)


@pytest.mark.parametrize("term", GAP_TERMS)
@pytest.mark.parametrize("lam", [100.0, 1500.0, 20000.0])
def test_no_point_of_a_grid_is_better(term, lam):
    found = least_certificate_mixture(**GIVEN, gap_term=term, lam=lam)
    assert found.bound == pytest.approx(value(term, found.weights, lam), rel=1e-12)
    grid = [
        np.array([i, j, 60 - i - j]) / 60 for i, j in product(range(61), repeat=2) if i + j <= 60
    ]
    least = min(value(term, a, lam) for a in grid)
    assert found.duality_gap < 1e-6
    assert found.bound - found.duality_gap <= least
    # the grid's mesh: a Lipschitz function, and 1/60 to the next point
    assert least - found.bound < 0.03
    parts = found.empirical_risk + found.complexity + found.spread + found.extrapolation_gap
    assert parts == pytest.approx(found.bound, rel=1e-12)


def test_two_strata_in_closed_form():
    # r1 + (λ/4n) a = r2 + (λ/4n)(1 − a)
    n, lam, (r1, r2) = 1000, 800.0, (0.1, 0.14)
    found = least_certificate_mixture(
        empirical_risk=[r1, r2], n=[n, n], kl=10.0, delta=0.1, lam=lam
    )
    assert found.weights[0] == pytest.approx(0.5 + (r2 - r1) * 2 * n / lam, rel=1e-9)


def test_equal_risks_weigh_by_size_and_all_units_count():
    found = least_certificate_mixture(
        empirical_risk=[0.1] * 3, n=[100, 200, 700], kl=5.0, delta=0.05
    )
    assert found.weights == pytest.approx([0.1, 0.2, 0.7], rel=1e-6)
    assert found.n_effective == pytest.approx(1000, rel=1e-6)
    # the best λ, by hand
    cost = 5 + np.log(20)
    assert found.lam == pytest.approx(np.sqrt(8 * cost * 1000), rel=1e-4)
    assert found.bound == pytest.approx(0.1 + np.sqrt(cost / 2000), rel=1e-8)


def test_conditions_of_karush_kuhn_and_tucker():
    found = least_certificate_mixture(**GIVEN, lam=900.0)
    gradient = GIVEN["empirical_risk"] + 900 / 4 * found.weights / np.array(GIVEN["n"])
    used = found.weights > 0
    assert np.ptp(gradient[used]) < 1e-9
    assert np.all(gradient[~used] >= gradient[used].min() - 1e-9)


@pytest.mark.parametrize("term", GAP_TERMS)
def test_free_lam_is_no_worse_than_any_lam(term):
    found = least_certificate_mixture(**GIVEN, gap_term=term)
    others = [
        least_certificate_mixture(**GIVEN, gap_term=term, lam=found.lam * f).bound
        for f in (0.3, 0.8, 0.99, 1.01, 1.3, 3)
    ]
    assert found.bound <= min(others) + 1e-9


def test_total_variation_with_much_data_gives_the_target_back():
    found = least_certificate_mixture(
        empirical_risk=[0.1, 0.12, 0.11],
        n=[10**8] * 3,
        kl=1.0,
        delta=0.05,
        gap_term="total_variation",
        target_weights=V,
    )
    assert found.weights == pytest.approx(V, abs=1e-4)


def test_a_stratum_without_units_gets_nothing():
    for term in GAP_TERMS:
        found = least_certificate_mixture(**{**GIVEN, "n": [4000, 0, 600]}, gap_term=term)
        assert found.weights[1] == 0
        assert found.weights.sum() == pytest.approx(1)
        assert found.duality_gap < 1e-6


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.permutations(range(5)))
def test_order_of_strata_does_not_matter(seed, order):
    rng = np.random.default_rng(seed)
    risk, n, v = rng.uniform(0, 0.5, 5), rng.integers(50, 5000, 5), rng.dirichlet(np.ones(5))
    order = list(order)
    rest = {"kl": 20.0, "delta": 0.05, "lam": 500.0, "gap_term": "total_variation"}
    one = least_certificate_mixture(empirical_risk=risk, n=n, target_weights=v, **rest)
    two = least_certificate_mixture(
        empirical_risk=risk[order], n=n[order], target_weights=v[order], **rest
    )
    assert one.duality_gap < 1e-6
    assert two.bound == pytest.approx(one.bound, abs=2e-6)
    assert two.weights == pytest.approx(one.weights[order], abs=1e-2)


def test_it_is_the_bound_of_the_catalogue():
    found = least_certificate_mixture(**GIVEN, lam=900.0)
    same = {"empirical_risk": GIVEN["empirical_risk"], "n": GIVEN["n"], "kl": 60.0, "delta": 0.05}
    bound = mixture_hoeffding(weights=found.weights, lam=900.0, **same)
    assert found.bound == pytest.approx(bound, rel=1e-9)
    assert joint_kl(coefficients=found.weights, **same) <= bound + 0.02


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"empirical_risk": [0.1, 0.2]}, "one shape"),
        ({"empirical_risk": [5, 10, 20]}, "percentage"),
        ({"empirical_risk": [np.nan, 0, 0]}, r"lie in \[0, 1\]"),
        ({"n": [0, 0, 0]}, "`n` must count units"),
        ({"kl": -1.0}, "`kl` must be"),
        ({"delta": 1.0}, "`delta` must lie"),
        ({"lam": 0.0}, "`lam` must be above 0"),
        ({"gap_term": "tv"}, "`gap_term` must be among none, total_variation"),
        ({"gap_term": "total_variation", "target_weights": None}, "`target_weights` must be given"),
        ({"gap_term": "total_variation", "target_weights": [1, 2, 3]}, "counts instead of shares"),
        ({"gap_term": "one_sided_lipschitz", "difficulties": [3, 2, 1]}, "must rise"),
        ({"gap_term": "one_sided_lipschitz", "lipschitz": -1.0}, "`lipschitz` must"),
    ],
)
def test_bad_input(change, text):
    with pytest.raises(InputError, match=text):
        least_certificate_mixture(**{**GIVEN, **change})
