import numpy as np
import pytest

from pacbayes.errors import InputError
from pacbayes.learning_curves import Curves


def curves(fits=3):
    shape = (fits, 4)
    return Curves(
        difficulties=np.array([0.0, 1.0, 2.0, 4.0]),
        asymptote=np.broadcast_to([0.4, 0.3, 0.29, 0.1], shape),
        scale=np.broadcast_to([50.0, 60.0, 600.0, 5000.0], shape),
        exponent=np.full(fits, 0.5),
        base_risk=np.full(fits, 0.8),
    )


def test_risk_by_hand():
    # (200/50)^.5 = 2: a third of .8 - .4 is left
    assert curves().risk(200)[0, 0] == pytest.approx(0.4 + 0.4 / 3, rel=1e-12)
    # half at n = k
    np.testing.assert_allclose(curves().risk(600)[:, 2], (0.8 + 0.29) / 2, rtol=1e-12)


def test_limits_are_base_and_asymptote():
    np.testing.assert_allclose(curves().risk(1e-30), 0.8, rtol=1e-12)
    np.testing.assert_allclose(curves().risk(1e40), curves().asymptote, rtol=1e-12)


def test_budgets_may_differ_by_fit():
    budgets = np.array([10.0, 100.0, 1000.0])
    together = curves().risk(budgets[:, None])
    for i, n in enumerate(budgets):
        np.testing.assert_allclose(together[i], curves().risk(n)[i], rtol=1e-15)


def test_between_difficulties_the_order_is_kept_and_the_knots_are_met():
    grid = np.linspace(0, 4, 81)
    finer = curves().at(grid)
    assert np.all(np.diff(finer.asymptote) <= 0)
    assert np.all(np.diff(finer.scale) >= 0)
    np.testing.assert_allclose(finer.scale[0, [0, 20, 40, 80]], curves().scale[0], rtol=1e-12)


def test_two_difficulties_are_joined_by_geometric_means():
    pair = curves().at([0.0, 4.0])
    assert pair.at([2.0]).scale[0, 0] == pytest.approx(np.sqrt(50 * 5000), rel=1e-12)


def test_difficulties_that_were_not_trained_on():
    with pytest.raises(InputError, match=r"must lie in \[0, 4\].*got 0 to 4.5.*not extrapolated"):
        curves().at([0, 4.5])


def test_another_base_moves_the_start_only():
    other = curves().with_base_risk(0.5)
    np.testing.assert_allclose(other.risk(1e-30), 0.5, rtol=1e-12)
    np.testing.assert_allclose(other.risk(1e40), curves().asymptote, rtol=1e-12)
