"""Noise is standard normal, a function of its key, and different for different keys."""

import numpy as np
import pytest
import torch
from scipy import stats

from pacbayes.errors import InputError
from pacbayes.posteriors.noise import Draw, NoiseKey, Stream, _on_device, standard_normals

KEY = {"seed": 1, "stream": Stream.PILOT, "stratum": 0}


def draw(number=0, unit=0, **changes):
    return Draw(key=NoiseKey(**(KEY | changes)), number=number, unit=unit)


def normals(one, size, part=0):
    return standard_normals([one], size, part=part)[0].numpy()


def test_law():
    """Moments and the Kolmogorov distance at a million variates; false alarm about 1e-4 in all."""
    n = 2500
    many = standard_normals([draw(unit=u) for u in range(400)], n, part=0).numpy().astype(float)
    z = many.ravel()
    # standard errors: z 1, z² √2, z³ √15, z⁴ √96, all over the square root of the count
    for power, mean, deviation in ((1, 0, 1), (2, 1, 2**0.5), (3, 0, 15**0.5), (4, 3, 96**0.5)):
        assert abs((z**power).mean() - mean) < 4.5 * deviation / z.size**0.5
    assert stats.kstest(z, "norm").pvalue > 1e-5
    # cosine and sine of one angle, neighbours in a row, and rows of neighbouring keys
    half = n // 2
    pairs = (many[:, :half], many[:, half:]), (many[:, :-1], many[:, 1:]), (many[:-1], many[1:])
    for a, b in pairs:
        for f in (lambda t: t, np.square):
            assert abs(np.corrcoef(f(a).ravel(), f(b).ravel())[0, 1]) < 4.5 / a.size**0.5
    assert np.abs(z).max() > 4.5


@pytest.mark.parametrize("size", [1, 2, 7, 70_001])
def test_a_row_is_a_function_of_its_key(size):
    draws = [draw(unit=u) for u in range(5)]
    together = standard_normals(draws, size, part=3)
    assert together.shape == (5, size)
    assert torch.isfinite(together).all()
    for row in (4, 0):
        assert torch.equal(standard_normals([draws[row]], size, part=3)[0], together[row])


def test_noise_of_a_devices_own_generator():
    """With the CPU in the place of a GPU: rows are functions of their keys, and standard normal."""
    draws = [draw(unit=u) for u in range(50)]

    def made(some):
        return _on_device([one.bits(3) for one in some], 20_000, torch.device("cpu"))

    together = made(draws)
    for row in (7, 0):
        assert torch.equal(made([draws[row]])[0], together[row])
    assert stats.kstest(together.numpy().ravel(), "norm").pvalue > 1e-5
    correlations = np.corrcoef(together.numpy().astype(float)) - np.eye(len(draws))
    assert np.abs(correlations).max() < 6 / 20_000**0.5


def test_every_word_of_the_key_matters():
    reference = normals(draw(), 9)
    others = [
        normals(draw(number=1), 9),
        normals(draw(number=2**31), 9),
        normals(draw(unit=1), 9),
        normals(draw(unit=2**31), 9),
        normals(draw(seed=2), 9),
        normals(draw(seed=2**64 - 1), 9),
        normals(draw(seed=2**64 - 2), 9),
        normals(draw(stratum=1), 9),
        normals(draw(stream=Stream.HELD_OUT), 9),
        normals(draw(), 9, part=1),
        normals(draw(), 9, part=2**25),
    ]
    found = np.array([reference, *others])
    assert len(np.unique(found)) == found.size


def test_bad_keys():
    with pytest.raises(InputError, match="`seed` must lie in"):
        NoiseKey(seed=-1, stream=Stream.PILOT, stratum=0)
    with pytest.raises(InputError, match="`stratum` must lie in"):
        NoiseKey(seed=0, stream=Stream.PILOT, stratum=2**24)
