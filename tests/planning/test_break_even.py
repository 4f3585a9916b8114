import numpy as np
import pytest
from scipy.optimize import brentq

from pacbayes.errors import InputError
from pacbayes.learning_curves import Curves
from pacbayes.planning.break_even import break_even


def curves(scale=(10.0, 1000.0), asymptote=(0.4, 0.1), fits=1, exponent=1.0):
    return Curves(
        difficulties=np.array([0.0, 1.0]),
        asymptote=np.tile(asymptote, (fits, 1)),
        scale=np.tile(scale, (fits, 1)),
        exponent=np.broadcast_to(exponent, (fits,)).astype(float),
        base_risk=np.full(fits, 0.8),
    )


def find(c, budgets=(1, 1e6), **other):
    return break_even(c, easier=0, harder=1, budgets=budgets, **other)


def test_crossing_by_a_scalar_root_finder():
    exponents = np.linspace(0.5, 1.5, 21)
    found = find(curves(fits=21, exponent=exponents))

    def lead(log_n, g):
        n = np.exp(log_n)
        return 0.4 + 0.4 / (1 + (n / 10) ** g) - 0.1 - 0.7 / (1 + (n / 1000) ** g)

    roots = np.sort([np.exp(brentq(lead, 0, 14, args=(g,))) for g in exponents])
    assert found.budget == pytest.approx(roots[10], rel=1e-6)
    assert found.interval == pytest.approx((roots[1], roots[18]), rel=1e-6)
    assert found.probability == 1


def test_harder_that_is_better_at_all_budgets():
    found = find(curves(scale=(10, 10)))
    assert (found.budget, found.interval, found.probability) == (0, (0, 0), 0)


def test_harder_that_is_never_better_within_those_searched():
    found = find(curves(), budgets=(1, 500))
    assert (found.budget, found.probability) == (np.inf, 0)


def test_fits_that_disagree_have_an_open_interval():
    c = curves(fits=10)
    c.asymptote[:3, 1] = 0.45
    found = find(c)
    assert np.isfinite(found.budget)
    assert found.interval[1] == np.inf
    assert found.probability == pytest.approx(0.7)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"easier": 1.0}, "`easier` must be below `harder`, got 1 and 1"),
        ({"harder": 2.0}, r"must lie in \[0, 1\].*not extrapolated"),
        ({"budgets": (0, 10)}, "positive and increasing"),
        ({"level": 1.5}, r"`level` must lie in \(0, 1\)"),
    ],
)
def test_bad_input(change, message):
    with pytest.raises(InputError, match=message):
        break_even(curves(), **({"easier": 0.0, "harder": 1.0, "budgets": (1, 10)} | change))
