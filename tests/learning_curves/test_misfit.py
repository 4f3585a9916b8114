import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pacbayes.learning_curves.misfit import (
    LARGEST_SPREAD,
    degrees_of_freedom,
    misfit_spread,
    misfit_variance,
)


def test_cells_alike_have_a_closed_form():
    # Σr²/(v + (R(1 − R)τ)²) = f, so τ² = (Σr²/f − v)/(R(1 − R))²
    r = np.array([0.06, -0.02, 0.05, -0.04])
    found = misfit_spread(r, np.full(4, 1e-4), np.full(4, 0.2), 2.5)
    assert found == pytest.approx(np.sqrt(np.sum(r**2) / 2.5 - 1e-4) / 0.16, rel=1e-9)


@given(
    st.lists(
        st.tuples(st.floats(-0.3, 0.3), st.floats(1e-3, 0.1), st.floats(0.01, 0.99)), min_size=3
    ),
    st.floats(1, 3),
)
def test_residuals_of_noise_and_misfit_sum_to_their_expectation(cells, freedom):
    r, sd, risk = np.transpose(cells)
    spread = misfit_spread(r, sd**2, risk, freedom)
    total = np.sum(r**2 / (sd**2 + misfit_variance(risk, spread)))
    if spread == 0:
        assert total <= freedom
    elif spread == LARGEST_SPREAD:
        assert total >= freedom
    else:
        assert total == pytest.approx(freedom, rel=1e-6)


def test_the_spread_of_simulated_cells_is_found_again():
    rng = np.random.default_rng(0)
    risk, sd = rng.uniform(0.1, 0.6, 4000), rng.uniform(0.005, 0.03, 4000)
    logit = np.log(risk / (1 - risk)) + 0.1 * rng.standard_normal(4000)
    r = 1 / (1 + np.exp(-logit)) - risk + sd * rng.standard_normal(4000)
    # noise and misfit are of like size: relative standard error about 2/√(2·4000) = .022
    assert misfit_spread(r, sd**2, risk, 4000.0) == pytest.approx(0.1, rel=0.1)


def test_noise_alone_leaves_little():
    rng = np.random.default_rng(1)
    found = [
        misfit_spread(0.02 * rng.standard_normal(20), np.full(20, 4e-4), np.full(20, 0.3), 20.0)
        for _ in range(400)
    ]
    # P(χ²₂₀ ≤ 20) = .542, standard error .025; a spread of .0952 would double the variance
    assert np.mean(np.array(found) == 0) == pytest.approx(0.542, abs=0.1)
    assert np.quantile(found, 0.95) < 0.0952


def test_degrees_of_freedom_by_singular_values():
    j = np.random.default_rng(2).normal(size=(9, 5))
    s = np.linalg.svd(j, compute_uv=False)
    assert degrees_of_freedom(j) == pytest.approx(9 - np.sum(s**2 / (1 + s**2)), rel=1e-12)
    assert degrees_of_freedom(np.zeros((9, 5))) == 9
    assert degrees_of_freedom(1e9 * np.eye(3)) == 1
