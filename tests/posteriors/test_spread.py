"""The noise of one tensor in two numbers: the KL made from a certificate is that of the family."""

import math

import mpmath
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pacbayes.certificate import TensorGroup
from pacbayes.errors import InputError
from pacbayes.posteriors.diagonal import Diagonal
from pacbayes.posteriors.divergence import kl
from pacbayes.posteriors.gaussian import group_kl
from pacbayes.posteriors.kronecker import Kronecker
from pacbayes.posteriors.low_rank import LowRank
from pacbayes.posteriors.per_group import PerGroup
from pacbayes.posteriors.prior import GaussianPrior
from pacbayes.posteriors.spread import (
    Moments,
    around,
    as_drawn,
    as_family,
    family_name,
    is_none,
    moments,
    one_scale,
    scaled,
    spreads,
)
from tests.posteriors import dense
from tests.posteriors.conformance import SHAPES, normals, numbers, positive, tensors

MEANS = tensors(1)
OWN = {name: (name,) for name in SHAPES}


def square(unit):
    sides = {name: shape for name, shape in SHAPES.items() if len(shape) == 2}
    shapes = [{k: (shape[end], shape[end]) for k, shape in sides.items()} for end in (0, 1)]
    return [
        {k: 0.4 * torch.eye(len(t)).double() + t for k, t in tensors(unit + i, 0.2, s).items()}
        for i, s in enumerate(shapes)
    ]


def posteriors():
    rows, columns = square(21)
    factors = tensors(3, 0.3, {name: (2, *shape) for name, shape in SHAPES.items()})
    return {
        "per-group": PerGroup(means=MEANS, groups=OWN, scales=numbers(0.3)),
        "diagonal": Diagonal(means=MEANS, scales=positive(2, 0.3)),
        "nearly one scale": Diagonal(
            means=MEANS, scales={k: 0.3 + 1e-7 * t for k, t in tensors(5).items()}
        ),
        "low-rank": LowRank(means=MEANS, groups=OWN, scales=positive(2, 0.3), factors=factors),
        "kronecker": Kronecker(
            means=MEANS, rows=rows, columns=columns, scales={"b": positive(2, 0.3)["b"]}
        ),
    }


def covariance(name, spread):
    """Of one tensor in 50 digits, from the noise of unit vectors: M Mᵀ."""
    if isinstance(spread, float):
        spread = torch.full(SHAPES[name], spread, dtype=torch.float64)
    family = as_family(name, spread, MEANS[name])
    unit = torch.eye(family.n_normals, dtype=torch.float64)
    matrix = dense.exact(family.noise(unit)[name].reshape(len(unit), -1))
    return matrix.T @ matrix


def group_of(name, spread, sigma_prior, shift):
    found = moments(name, spread)
    return TensorGroup(
        name=name,
        size=MEANS[name].numel(),
        sigma_prior=sigma_prior,
        sigma_posterior=found.sigma,
        distance_squared=shift,
        anisotropy=found.anisotropy,
    )


@pytest.mark.parametrize("kind", posteriors())
@settings(max_examples=15, deadline=None)
@given(prior=st.floats(-6, 6).map(math.exp))
def test_kl_from_the_numbers_is_the_dense_one_rounded_up(kind, prior):
    for name, spread in spreads(posteriors()[kind]).items():
        with mpmath.workdps(dense.DIGITS):
            alone = {name: MEANS[name]}
            scale = torch.tensor(prior, dtype=torch.float64)
            p = GaussianPrior(centre=alone, scales={name: scale})
            exact = dense.kl(alone, covariance(name, spread), p)
            found = group_kl(group_of(name, spread, prior, 0.0))
            # entries of the dense covariance are products rounded to float64
            slack = mpmath.mpf("1e-13") * (1 + exact)
            assert exact - slack <= found <= exact * (1 + mpmath.mpf("1e-11")) + mpmath.mpf("1e-11")


@pytest.mark.parametrize("kind", posteriors())
def test_it_is_the_kl_of_the_family(kind):
    """With a step between the centres, all tensors together; without the anisotropy it is less."""
    posterior = posteriors()[kind]
    centre = tensors(11)
    scales = {name: torch.tensor(0.25, dtype=torch.float64) for name in SHAPES}
    exact = kl(posterior, GaussianPrior(centre=centre, scales=scales))
    groups = [
        group_of(name, spread, 0.25, float((MEANS[name] - centre[name]).square().sum()))
        for name, spread in spreads(posterior).items()
    ]
    assert math.fsum(map(group_kl, groups)) == pytest.approx(exact, rel=1e-11)
    without = exact - math.fsum(group.anisotropy for group in groups)
    assert (without < exact * (1 - 1e-3)) == (kind not in ("per-group", "nearly one scale"))


@pytest.mark.parametrize("closeness", [1e-2, 1e-5, 1e-7])
def test_anisotropy_of_scales_that_are_close(closeness):
    """To second order it is d times the variance of the log-scales: nothing cancels."""
    scales = 0.3 * (closeness * tensors(5)["w"]).exp()
    found = moments("w", scales)
    logs = closeness * tensors(5)["w"].numpy()
    expected = 6 * (np.log(np.mean(np.exp(2 * (logs - logs.mean())))) / 2)
    allowed = 6 * 1e-12 + (1e-9 if closeness > 1e-3 else 1e-3) * expected
    assert found.anisotropy == pytest.approx(expected, abs=allowed)
    assert found.sigma >= math.sqrt(float(scales.square().mean())) * (1 - 2**-52)


def test_one_scale_is_taken_as_it_is():
    assert moments("w", 0.3) == Moments(sigma=0.3, anisotropy=0.0)
    assert moments("w", torch.tensor(0.5)) == Moments(sigma=0.5)
    alike = moments("w", torch.full((1000, 1000), 0.3))
    assert alike.sigma == pytest.approx(float(torch.tensor(0.3)), rel=1e-12)
    assert 0 < alike.anisotropy < 1e6 * 1e-12


@pytest.mark.parametrize("kind", posteriors())
def test_the_noise_of_each_tensor_is_that_of_the_family(kind):
    posterior = posteriors()[kind]
    z = normals(4, posterior.n_normals)
    whole = posterior.noise(z)
    start, further = 0, sum(posterior.sizes.values())
    for name, spread in spreads(posterior).items():
        size = posterior.sizes[name]
        mine = z[:, start : start + size]
        start += size
        if isinstance(spread, (LowRank, Kronecker)):
            extra = spread.n_normals - size
            mine = torch.cat([mine, z[:, further : further + extra]], dim=1)
            further += extra
            found = spread.noise(mine)[name]
        else:
            found = spread * mine.view(4, *SHAPES[name])
        torch.testing.assert_close(found, whole[name], rtol=1e-14, atol=0)


def test_words_for_the_noise():
    every = {kind: spreads(posterior) for kind, posterior in posteriors().items()}
    assert family_name(every["per-group"]) == "gaussian"
    assert family_name(every["nearly one scale"]) == "diagonal"
    for kind in ("diagonal", "low-rank", "kronecker"):
        assert family_name(every[kind]) == kind
    assert is_none(0.0)
    assert not any(map(is_none, (0.1, -0.1, torch.zeros(2))))
    assert one_scale(torch.tensor(0.1))
    assert not one_scale(torch.tensor([0.1]))
    for kind, of_tensors in every.items():
        for name, spread in of_tensors.items():
            one, two = moments(name, spread), moments(name, scaled(spread, 2.0))
            assert two.sigma == pytest.approx(2 * one.sigma, rel=1e-14), kind
            assert two.anisotropy == pytest.approx(one.anisotropy, rel=1e-9, abs=1e-11)


def test_a_posterior_with_given_scales_comes_back():
    for kind in ("per-group", "diagonal"):
        noise = spreads(posteriors()[kind])
        again = spreads(around(MEANS, noise))
        for name, spread in noise.items():
            assert torch.equal(torch.as_tensor(again[name]), torch.as_tensor(spread))


def test_what_cannot_be_certified():
    factors = tensors(3, 0.3, {name: (2, *shape) for name, shape in SHAPES.items()})
    tied = LowRank(
        means=MEANS,
        groups={"matrices": ("w", "v"), "vectors": ("b",)},
        scales=numbers(0.3),
        factors=factors,
    )
    with pytest.raises(InputError, match="ties the tensors w, v together in 'matrices'; only"):
        spreads(tied)
    with pytest.raises(InputError, match="'w' are out of the range of float64"):
        moments("w", torch.full((2, 2), 1e-170, dtype=torch.float64))
    with pytest.raises(InputError, match="must be positive"):
        moments("w", torch.tensor([1.0, 0.0]))


def test_noise_that_is_singular_as_it_is_drawn_is_refused():
    """In float32, in which noise is made, the rows of this factor are equal."""
    factor = torch.tensor([[1.0, 1.0], [1.0, 1.0 + 2.0**-30]], dtype=torch.float64)
    wide = Kronecker(
        means={"w": torch.zeros(2, 2, dtype=torch.float64)},
        rows={"w": factor},
        columns={"w": torch.eye(2, dtype=torch.float64)},
        scales={},
    )
    spread = wide.spread("w")
    assert moments("w", spread).anisotropy > 20
    with pytest.raises(InputError):
        moments("w", as_drawn(spread))
    assert as_drawn(0.1) == float(np.float32(0.1))
    assert as_drawn(torch.tensor([0.1], dtype=torch.float64)).dtype == torch.float32
