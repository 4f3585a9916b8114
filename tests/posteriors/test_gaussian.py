import math

import mpmath
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pacbayes.certificate import TensorGroup
from pacbayes.posteriors.allocation import allocate
from pacbayes.posteriors.gaussian import best_prior_scale, group_kl, kl_divergence
from pacbayes.posteriors.prior_scale import GRID, Grid

scales = st.floats(1e-4, 1e3)


def group(size, prior, posterior, distance):
    return TensorGroup(
        name="w", size=size, sigma_prior=prior, sigma_posterior=posterior, distance_squared=distance
    )


# distances below 1e-250 would leave the range in which float64 keeps its relative precision
@given(st.integers(1, 10**9), scales, scales, st.just(0.0) | st.floats(1e-250, 1e6))
def test_kl_is_the_closed_form_rounded_up(size, prior, posterior, distance):
    with mpmath.workdps(60):
        ratio = (mpmath.mpf(posterior) / mpmath.mpf(prior)) ** 2
        spread = size * (ratio - 1 - mpmath.log(ratio))
        exact = (spread + mpmath.mpf(distance) / mpmath.mpf(prior) ** 2) / 2
        found = group_kl(group(size, prior, posterior, distance))
        assert found >= exact
        assert found <= exact * (1 + mpmath.mpf(10) ** -11)


# scales a hair apart, where ρ − 1 − ln ρ is a small difference of large terms
@given(st.integers(1, 10**15), scales, st.floats(-13, -0.5), st.sampled_from([-1, 1]))
def test_kl_of_nearly_equal_scales_is_never_below_the_truth(size, prior, exponent, sign):
    posterior = prior * (1 + sign * 10**exponent)
    with mpmath.workdps(60):
        ratio = (mpmath.mpf(posterior) / mpmath.mpf(prior)) ** 2
        exact = size * (ratio - 1 - mpmath.log(ratio)) / 2
        found = group_kl(group(size, prior, posterior, 0.0))
        assert exact <= found <= exact * (1 + mpmath.mpf(10) ** -11)


def test_kl_against_a_numerical_integral():
    """One weight: the definition ∫ q ln(q/p), by quadrature."""
    mean, prior, posterior = 0.7, 1.3, 0.4

    def density(x, centre, sigma):
        return mpmath.npdf(x, centre, sigma)

    integral = mpmath.quad(
        lambda x: (
            density(x, mean, posterior)
            * mpmath.log(density(x, mean, posterior) / density(x, 0, prior))
        ),
        [mean - 6, mean, mean + 6],
    )
    assert group_kl(group(1, prior, posterior, mean**2)) == pytest.approx(float(integral), rel=1e-9)


def test_kl_does_not_cancel():
    assert group_kl(group(10**15, 1.0, 1.0, 0.0)) == 0.0
    # d/4 ε² · 4 for a relative difference ε of the scales: x = 2ε, x²/2 · d/2
    assert group_kl(group(10**15, 1.0, 1.0 + 2**-40, 0.0)) == pytest.approx(
        10**15 * 2.0**-80, rel=1e-9
    )


def test_a_weight_without_noise_is_refused():
    with pytest.raises(ValueError, match="`sigma_posterior` must be positive"):
        group(3, 1.0, 0.0, 0.0)


def test_the_best_scale_is_best_and_the_grid_is_near_it():
    sizes, distances = {"a": 300, "b": 5000}, {"a": 2.0, "b": 0.1}
    sigmas, relative = {"a": 0.1, "b": 0.02}, {"a": 1.0, "b": 0.3}

    def kl(factor):
        return kl_divergence(
            [group(sizes[k], factor * relative[k], sigmas[k], distances[k]) for k in sizes]
        )

    best = best_prior_scale(sizes, distances, sigmas, relative)
    assert kl(best) < min(kl(best * 1.01), kl(best / 1.01))
    on_grid = min(kl(GRID.scales[i]) for i in GRID.neighbours(best))
    assert on_grid <= kl(best) + 1.2e-4 * 5300
    assert GRID.size == 641
    assert math.log(641) <= GRID.log_cost
    assert GRID.neighbours(1e-9) == [0]
    assert GRID.neighbours(1e9) == [640]
    assert Grid((0.3,)).log_cost == 0


def test_allocation_is_stationary():
    sizes, distances = {"a": 300, "b": 5000}, {"a": 2.0, "b": 3.0}
    curvatures, relative = {"a": 7.0, "b": 0.5}, {"a": 1.0, "b": 1.0}
    temperature = 4000.0
    arguments = {"sizes": sizes, "distances_squared": distances, "relative_scales": relative}
    sigmas = allocate(temperature=temperature, curvatures=curvatures, **arguments)

    def objective(values):
        factor = best_prior_scale(sizes, distances, values, relative)
        rise = sum(0.5 * values[k] ** 2 * curvatures[k] for k in sizes)
        return temperature * rise + kl_divergence(
            [group(sizes[k], factor, values[k], distances[k]) for k in sizes]
        )

    for name in sizes:
        for change in (0.97, 1.03):
            assert objective(sigmas | {name: sigmas[name] * change}) > objective(sigmas)
    assert sigmas["a"] < sigmas["b"]  # the curved tensor gets less noise
