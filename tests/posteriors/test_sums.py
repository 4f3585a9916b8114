import math
from fractions import Fraction

import mpmath
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pacbayes.posteriors.diagonal import Diagonal
from pacbayes.posteriors.divergence import best_factor, kl
from pacbayes.posteriors.excess import excess
from pacbayes.posteriors.prior import GaussianPrior
from pacbayes.posteriors.sums import distance_squared, gram, pieces, total


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 3000), st.integers(0, 2**31), st.floats(-8, 8))
def test_a_sum_is_within_its_error(size, seed, spread):
    generator = torch.Generator().manual_seed(seed)
    terms = torch.randn(size, generator=generator, dtype=torch.float64)
    terms = terms * 10 ** (spread * torch.rand(size, generator=generator, dtype=torch.float64))
    found = total(terms.split(700))
    truth = sum(map(Fraction, terms.tolist()))
    assert found.lower <= truth <= found.upper
    assert found.upper - found.lower <= 4e-13 * terms.abs().sum()


def test_a_sum_of_something_infinite_is_not_finite():
    assert math.isinf(total([torch.tensor([1.0, math.inf], dtype=torch.float64)]).value)
    both = torch.tensor([-math.inf, math.inf], dtype=torch.float64)
    assert not math.isfinite(total([both]).value)
    assert math.isnan(total([torch.tensor([math.nan], dtype=torch.float64)]).upper)


def test_pieces_cover_the_weights_once():
    size = 2**20 + 5
    index = torch.arange(size, dtype=torch.float32)
    seen = [(w, wide, s) for w, wide, s in pieces(index, index.expand(3, -1), index[3], rank=3)]
    assert torch.equal(torch.cat([w for w, _, _ in seen]), index.double())
    assert all(torch.equal(wide, w.expand(3, -1)) and s == 3 for w, wide, s in seen)
    assert max(len(w) for w, _, _ in seen) <= 2**20 // 3


def test_a_gram_matrix_of_pieces():
    whole = torch.randn(3, 5000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = gram(whole.split(1100, dim=1))
    torch.testing.assert_close(found.matrix, whole @ whole.T, rtol=1e-13, atol=1e-11)
    assert found.relative < 1e-12


@given(st.floats(-1, 1), st.floats(-17, 2.5))
def test_excess_is_accurate_near_zero_and_far(sign, exponent):
    x = math.copysign(10**exponent, sign)
    if x <= -0.99:
        x = -0.99
    with mpmath.workdps(60):
        exact = mpmath.mpf(x) - mpmath.log(1 + mpmath.mpf(x))
        found = excess(torch.tensor(x, dtype=torch.float64)).item()
        assert abs(found - exact) <= exact * 300 * 2.0**-53


def test_kl_and_distance_of_ten_million_single_precision_weights():
    """Patterns of 1000 weights repeated 10,000 times, so that the exact values are known.

    Single precision is the twin that fails, by 2e-5.
    """
    repeats = 10_000
    generator = torch.Generator().manual_seed(1)
    w, centre = (0.02 * torch.randn(1000, generator=generator) for _ in range(2))
    scale = 0.01 * (1 + 1e-4 * torch.randn(1000, generator=generator))
    centre = w + 1e-6 * centre
    s = torch.full((), 0.01)
    with mpmath.workdps(40):
        exact, distance, energy = (mpmath.mpf(0) for _ in range(3))
        for a, b, c in zip(*(t.double().tolist() for t in (w, centre, scale)), strict=True):
            ratio = (mpmath.mpf(c) / mpmath.mpf(float(s))) ** 2
            step = (mpmath.mpf(a) - mpmath.mpf(b)) ** 2
            exact += (ratio - 1 - mpmath.log(ratio) + step / mpmath.mpf(float(s)) ** 2) / 2
            distance += step
            energy += ratio + step / mpmath.mpf(float(s)) ** 2
        many = [t.repeat(repeats) for t in (w, centre, scale)]
        posterior = Diagonal(means={"w": many[0]}, scales={"w": many[2]})
        prior = GaussianPrior(centre={"w": many[1]}, scales={"w": s})
        found = kl(posterior, prior)
        assert exact * repeats <= found <= exact * repeats * (1 + mpmath.mpf("1e-9"))
        assert distance_squared(*many[:2]) == pytest.approx(float(distance * repeats), rel=1e-12)
        best = best_factor(posterior, prior)
        assert best == pytest.approx(float(mpmath.sqrt(energy / 1000)), rel=1e-12)
    ratio = (many[2] / s).square()
    step = ((many[0] - many[1]) / s).square()
    naive = 0.5 * (ratio - 1 - ratio.log() + step).sum()
    assert abs(naive - found) > 1e-6 * found


def test_the_kl_does_not_depend_on_threads():
    generator = torch.Generator().manual_seed(1)
    w, scale = torch.randn(2, 200_000, generator=generator)
    posterior = Diagonal(means={"w": w}, scales={"w": scale.exp()})
    prior = GaussianPrior(centre={"w": torch.zeros_like(w)}, scales={"w": torch.tensor(2.0)})
    before = torch.get_num_threads()
    try:
        found = set()
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            found.add(kl(posterior, prior))
    finally:
        torch.set_num_threads(before)
    assert len(found) == 1
