"""The closed forms to the digits of the theory, and against searches that know no formula."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from pacbayes.errors import InputError
from pacbayes.planning import (
    bang_bang,
    bang_bang_budget,
    best_target_share,
    certificate_objective,
    offset_kl,
    quadratic_gap,
)


def test_case_a():
    assert bang_bang_budget(4, 0.2) == pytest.approx(200, abs=1e-9)
    low, high = bang_bang([199.9, 200, 200.1], k=4, slope=0.2)
    assert low.tolist() == [0, 0, 1]
    assert high.tolist() == [0, 1, 1]


def test_case_b():
    given = [0.292893, 0.776393, 0.929289, 0.977639]
    assert quadratic_gap([1e2, 1e3, 1e4, 1e5], c=100) == pytest.approx(given, abs=5e-7)
    assert quadratic_gap([1, 49, 50], c=100).tolist() == [0, 0, 0]
    assert quadratic_gap(50.1, c=100) > 0


def test_case_c():
    given = [0.243620, 0.481763, 0.804557, 0.936195]
    assert offset_kl([20, 1e2, 1e3, 1e4], b=20, c=100) == pytest.approx(given, abs=5e-7)


def test_case_d():
    n = np.array([1e2, 1e3, 1e4, 1e5])
    assert np.all(np.diff(quadratic_gap(n, c=1.0, growth=0.5)) > 0)
    assert np.ptp(quadratic_gap(n, c=1.0, growth=1.0)) == 0
    assert np.all(np.diff(quadratic_gap(n, c=0.5, growth=1.1)) < 0)
    assert quadratic_gap(n, c=100) == pytest.approx(quadratic_gap(n, c=100.0, growth=0))
    # c n^{a − 1} is all that counts, with λ as a factor
    assert quadratic_gap(1e4, c=2.0, growth=0.5, curvature=2) == pytest.approx(
        1 - math.sqrt(2.0 / 100 / 2) / 2
    )


def test_ben_davids_share():
    # their experiment: dimension 1601, distance .715, so that D² = 3131.69
    square = 1601 / 0.715**2
    assert round(square, 2) == 3131.69
    found = best_target_share(
        [1000, 3000, 3200, 2500], [50000, 50000, 50000, 2500], d_squared=square
    )
    assert found == pytest.approx([0.113205, 0.764599, 1, 0.907522], abs=5e-7)


def least(function):
    return minimize_scalar(function, bounds=(0, 1), method="bounded", options={"xatol": 1e-10}).x


positive = st.floats(-2, 2).map(lambda x: 10**x)


@settings(max_examples=60, deadline=None)
@given(positive, positive, st.floats(0, 1.5), positive, st.floats(0, 6))
def test_against_a_search(b, c, growth, curvature, log_n):
    n = 10**log_n

    def gap(d):
        return curvature / 2 * (1 - d) ** 2

    searched = least(lambda d: math.sqrt(c * n ** (growth - 1) * d**2 / 2) + gap(d))
    # a search by values finds a flat minimum to the root of their rounding
    found = quadratic_gap(n, c=c, growth=growth, curvature=curvature)
    assert found == pytest.approx(searched, abs=1e-5)
    searched = least(lambda d: math.sqrt((b + c * d**2) / (2 * n)) + gap(d))
    assert offset_kl(n, b=b, c=c, curvature=curvature) == pytest.approx(searched, abs=1e-5)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 10**5), st.integers(1, 10**6), st.floats(1, 5).map(lambda x: 10**x))
def test_share_against_a_search(n_target, n_source, square):
    def bound(a):
        spread = a**2 / n_target + (1 - a) ** 2 / n_source
        return math.sqrt(square * spread) + 1 - a

    share = best_target_share(n_target, n_source, d_squared=square)
    searched = least(bound)
    assert 0 <= share <= 1
    assert bound(share) <= bound(searched) + 1e-12
    assert bound(share) <= min(bound(x) for x in np.linspace(0, 1, 101)) + 1e-12


@pytest.mark.parametrize("n", [20, 100, 1000, 10000, 50000])
def test_the_objective_finds_the_closed_forms(n):
    d = np.linspace(0, 1, 2001)

    def best(kl, gap):
        objective = certificate_objective(
            budgets=[n],
            difficulties=d,
            empirical_risk=0.0,
            kl=kl,
            extrapolation_gap=gap,
            form="bare_square_root",
        )
        return objective.optimal_difficulties()[0]

    quadratic = 0.5 * (1 - d) ** 2
    assert best(100 * d**2, quadratic) == pytest.approx(quadratic_gap(n, c=100), abs=3e-4)
    assert best(20 + 100 * d**2, quadratic) == pytest.approx(offset_kl(n, b=20, c=100), abs=3e-4)
    grown = 2 * n**0.6 * d**2
    assert best(grown, quadratic) == pytest.approx(quadratic_gap(n, c=2, growth=0.6), abs=3e-4)
    low, high = bang_bang(n, k=4, slope=0.2)
    linear = best(16 * d**2, 0.2 * (1 - d))
    assert linear.tolist() == [float(low)] == [float(high)]


def test_the_objective_finds_the_plateau_of_case_a():
    d = np.linspace(0, 1, 101)
    objective = certificate_objective(
        budgets=[200],
        difficulties=d,
        empirical_risk=0.0,
        kl=16 * d**2,
        extrapolation_gap=0.2 * (1 - d),
        form="bare_square_root",
    )
    assert objective.optimal_difficulties()[0].tolist() == d.tolist()
    # the twin: the first minimiser alone would be a lie of rounding
    assert len(np.flatnonzero(objective.total[0] == objective.total[0].min())) < 101


@pytest.mark.parametrize(
    ("function", "arguments", "message"),
    [
        (quadratic_gap, {"budgets": 0, "c": 1}, "`budgets` must be above 0, got 0.0"),
        (quadratic_gap, {"budgets": [10, math.nan], "c": 1}, "`budgets` must be finite"),
        (quadratic_gap, {"budgets": 10, "c": 0}, "`c` must be above 0, and finite"),
        (quadratic_gap, {"budgets": 10, "c": 1, "growth": math.inf}, "`growth` must be finite"),
        (offset_kl, {"budgets": 10, "b": -1, "c": 1}, "`b` must be above 0"),
        (bang_bang, {"budgets": 10, "k": 1, "slope": 0}, "`slope` must be above 0"),
        (best_target_share, {"n_target": 0, "n_source": 1, "d_squared": 1}, "`n_target` must be"),
    ],
)
def test_bad_arguments(function, arguments, message):
    with pytest.raises(InputError, match=message):
        function(**arguments)
