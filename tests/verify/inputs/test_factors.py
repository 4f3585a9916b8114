"""Changes of a product found without multiplying it out, and what rounding explains."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pacbayes.verify.inputs.factors import change_of_product


def moved(seed, rank, kind):
    """Factors, and others of the same product rounded to a type of numpy."""
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(rank, 12)), rng.normal(size=(9, rank))
    g = np.eye(rank) + 0.3 * rng.normal(size=(rank, rank))
    others = (g @ a, b @ np.linalg.inv(g))
    return (a, b), tuple(part.astype(kind).astype(float) for part in others)


def change(before, after, rank, kind):
    flat = [tuple(part.ravel().tolist() for part in pair) for pair in (before, after)]
    return change_of_product(*flat, rank, kind)


@given(st.integers(0, 10**6), st.integers(1, 5), st.sampled_from(["float16", "float32", "float64"]))
def test_rounding_is_explained_and_the_distance_is_that_of_the_products(seed, rank, kind):
    before, after = moved(seed, rank, kind)
    found = change(before, after, rank, kind)
    distance = np.linalg.norm(after[1] @ after[0] - before[1] @ before[0])
    assert found.explained
    cancelled = change(before, after, rank, "float64").allowed
    assert found.distance == pytest.approx(distance, rel=1e-6, abs=cancelled)


@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_another_product_is_not(kind):
    before, after = moved(1, 3, kind)
    for place in range(2):
        changed = [part.copy() for part in after]
        changed[place][1] *= 1 + 1e-5
        assert not change(before, changed, 3, kind).explained
