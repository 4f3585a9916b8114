import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pacbayes.learning_curves.coordinates import coordinates

DIFFICULTIES = np.array([1.0, 2.0, 2.5, 6.0])


def space(monotone, spread=0.1):
    return coordinates(
        difficulties=DIFFICULTIES,
        mean_log_budget=6.0,
        monotone=monotone,
        base_risk=0.7,
        base_risk_spread=spread,
    )


@pytest.mark.parametrize("monotone", [True, False])
def test_derivatives_are_those_of_differences(monotone):
    coords = space(monotone)
    z = np.random.default_rng(0).normal(size=(6, coords.size))
    place, budget = np.array([0, 1, 3, 3, 2]), np.array([50.0, 400, 400, 3000, 1e6])
    _, jacobian = coords.risk(z, place, budget)
    for i in range(coords.size):
        h = np.zeros(coords.size)
        h[i] = 1e-5
        up, down = (coords.risk(z + s * h, place, budget)[0] for s in (1, -1))
        # central differences err by h²/6 times third derivatives of order 1, and by rounding / h
        np.testing.assert_allclose(jacobian[:, :, i], (up - down) / 2e-5, atol=1e-9)


@pytest.mark.parametrize("monotone", [True, False])
def test_risk_is_that_of_the_curves(monotone):
    coords = space(monotone)
    z = np.random.default_rng(1).normal(size=(5, coords.size))
    curves = coords.curves(z)
    for n in (30.0, 1000.0):
        risk, _ = coords.risk(z, np.arange(4), np.full(4, n))
        np.testing.assert_allclose(risk, curves.risk(n), rtol=1e-12)


@settings(max_examples=50)
@given(st.lists(st.floats(-5, 5), min_size=12, max_size=12))
def test_monotone_curves_are_in_order_wherever_the_point_lies(z):
    curves = space(True).curves(np.array([z]))
    assert np.all(np.diff(curves.asymptote) <= 0)
    # not of a difference: both may be infinite
    assert np.all(curves.scale[:, 1:] >= curves.scale[:, :-1])


def test_free_curves_go_either_way():
    z = np.random.default_rng(2).normal(size=(200, 12))
    falls = np.diff(space(False).curves(z).asymptote) < 0
    assert 0.3 < falls.mean() < 0.7


def test_a_spread_of_zero_holds_the_base_risk():
    z = np.full((1, 12), 3.0)
    assert space(True, spread=0.0).curves(z).base_risk[0] == pytest.approx(0.7, rel=1e-12)
