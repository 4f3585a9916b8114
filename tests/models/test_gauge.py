import numpy as np
import pytest
import torch

from pacbayes.models.gauge import approach, balance, gauges
from pacbayes.models.loading import OpenOptions
from pacbayes.models.opening import open_fine_tuned

RNG = np.random.default_rng(0)
UNITS = (0.3, 2.0)


def factors(rank=4):
    return RNG.normal(size=(rank, 12)), RNG.normal(size=(20, rank))


def squared(a, b, units=UNITS):
    return (a**2).sum() / units[0] ** 2 + (b**2).sum() / units[1] ** 2


def test_balanced_factors_have_the_same_product_and_the_least_norm():
    a, b = factors()
    a1, b1 = balance(a, b, *UNITS)
    assert b1 @ a1 == pytest.approx(b @ a, abs=1e-12)
    nuclear = np.linalg.svd(b @ a, compute_uv=False).sum()
    assert squared(a1, b1) == pytest.approx(2 * nuclear / (UNITS[0] * UNITS[1]), rel=1e-12)
    for _ in range(20):
        g = np.eye(4) + 0.3 * RNG.normal(size=(4, 4))
        assert squared(a1, b1) <= squared(g @ a, b @ np.linalg.inv(g)) * (1 + 1e-12)


def test_nearest_factors_are_nearer_than_any_tried():
    a, b = factors()
    a0, b0 = a + 0.5 * RNG.normal(size=a.shape), np.zeros_like(b)
    a1, b1 = approach(a, b, a0, b0, *UNITS)
    assert b1 @ a1 == pytest.approx(b @ a, abs=1e-9)
    least = squared(a1 - a0, b1 - b0)
    for x, y in ((a, b), balance(a, b, *UNITS)):
        assert least <= squared(x - a0, y - b0)
    for _ in range(50):
        g = np.eye(4) + 0.01 * RNG.normal(size=(4, 4))
        assert least <= squared(g @ a1 - a0, b1 @ np.linalg.inv(g) - b0) * (1 + 1e-9)


def test_at_a_prior_of_zero_the_nearest_are_balanced():
    a, b = factors()
    a1, b1 = approach(a, b, np.zeros_like(a), np.zeros_like(b), *UNITS)
    assert squared(a1, b1) == pytest.approx(squared(*balance(a, b, *UNITS)), rel=1e-6)


def test_factors_of_lower_rank_than_they_could_be():
    a, b = factors()
    b[:, 1] = 0
    a[2] = a[3]
    for a1, b1 in (
        balance(a, b, *UNITS),
        approach(a, b, np.zeros_like(a), np.zeros_like(b), *UNITS),
    ):
        assert np.isfinite(a1).all()
        assert b1 @ a1 == pytest.approx(b @ a, abs=1e-9)


def test_the_model_computes_the_same(checkpoints):
    model = open_fine_tuned(OpenOptions(checkpoint=checkpoints / "free", dtype="float64"))
    ids = torch.arange(4, 24)[None]
    with torch.no_grad():
        before = model.model(input_ids=ids).logits
        distance = sum(model.distances_squared.values())
        for centre in gauges(model).values():
            moved = model.recentred(centre)
            assert torch.allclose(model.model(input_ids=ids).logits, before, atol=1e-9)
            assert sum(moved.distances_squared.values()) != distance


def test_a_frozen_factor_is_left_alone(checkpoints):
    model = open_fine_tuned(
        OpenOptions(checkpoint=checkpoints / "adapter", prior=checkpoints / "initial")
    )
    assert not gauges(model)
