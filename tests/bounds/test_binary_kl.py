"""The divergence and its inverses against Arb, from the definition."""

import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pacbayes.bounds import binary_kl, binary_kl_inverse_lower, binary_kl_inverse_upper
from tests import oracle

risks = st.floats(0, 1)
complexities = st.floats(1e-12, 50)

EDGE_RISKS = [0.0, 5e-324, 1e-300, 1e-280, 1e-16, 1e-10, 0.5, 1 - 1e-10, 1 - 1e-16, 1 - 2**-53, 1.0]
EDGE_NATS = [0.0, 5e-324, 1e-300, 1e-280, 1e-16, 1e-8, 1.0, 30.0, 37.0, 700.0, 745.0, 1e9, 1e300]


def cases():
    """5,143 pairs: uniform, near 0, near 1, over all magnitudes, and every pair of edges."""
    rng = np.random.default_rng(0)
    q = np.concatenate(
        [
            rng.random(1250),
            10 ** rng.uniform(-12, 0, 1250),
            1 - 10 ** rng.uniform(-15, 0, 1250),
            10 ** rng.uniform(-280, 0, 1250),
        ]
    )
    c = np.concatenate(
        [
            10 ** rng.uniform(-16, 3, 2500),
            10 ** rng.uniform(-280, 3, 625),
            rng.exponential(0.1, 1875),
        ]
    )
    rng.shuffle(c)
    edges = np.array([(a, b) for a in EDGE_RISKS for b in EDGE_NATS])
    return np.concatenate([q, edges[:, 0]]), np.concatenate([c, edges[:, 1]])


@pytest.fixture(scope="module")
def inverses():
    q, c = cases()
    return list(
        zip(
            q.tolist(),
            c.tolist(),
            binary_kl_inverse_lower(q, c).tolist(),
            binary_kl_inverse_upper(q, c).tolist(),
            strict=True,
        )
    )


@pytest.fixture(scope="module", autouse=True)
def enough_bits():
    # kl(q‖q + Δ) ≈ Δ²/2q with Δ/q down to 1e-140 has to come out of terms of size Δ
    with oracle.precision(2200):
        yield


def nats(q, p):
    return oracle.binary_kl(oracle.ball(q), oracle.ball(p))


def test_inverses_are_never_on_the_wrong_side(inverses):
    for q, c, lower, upper in inverses:
        assert 0 <= lower <= q <= upper <= 1
        exact = oracle.ball(c)
        if upper < 1:
            assert q == upper == 0 or c == 0 or nats(q, upper) >= exact, (q, c)
        if lower > 0:
            assert q == lower == 1 or c == 0 or nats(q, lower) >= exact, (q, c)


def test_inverses_exceed_by_at_most_1e_14(inverses):
    step = oracle.ball(10) ** -14
    for q, c, lower, upper in inverses:
        if any(0 < x < 1e-280 for x in (q, c)):
            continue
        exact, limit = oracle.ball(q), oracle.ball(c)
        closer = oracle.ball(upper) * (1 - step)
        if upper > 0 and closer > exact:
            assert oracle.binary_kl(exact, closer) <= limit, (q, c)
        closer = oracle.ball(lower) * (1 + step)
        # a lower inverse below 1e-290 may be given as less, as float64 has few digits there
        if lower > 1e-290 and closer < exact:
            assert oracle.binary_kl(exact, closer) <= limit, (q, c)
        if lower <= 1e-290 and q > 1e-289:
            assert oracle.binary_kl(exact, oracle.ball(1e-289)) <= limit, (q, c)


def test_divergence_is_never_below_the_truth_nor_far_above():
    q = cases()[0][:5000]
    for p in (np.roll(q, 7), binary_kl_inverse_upper(q, 1e-3), binary_kl_inverse_lower(q, 1e-6)):
        for a, b, value in zip(q.tolist(), p.tolist(), binary_kl(q, p).tolist(), strict=True):
            if a == b or b in (0.0, 1.0):
                assert value == (0.0 if a == b else math.inf)
                continue
            exact = nats(a, b)
            assert oracle.ball(value) >= exact, (a, b)
            if min(a, b, value) > 1e-280:
                assert oracle.ball(value) <= exact * (1 + oracle.ball(10) ** -14), (a, b)


@pytest.mark.parametrize(
    ("q", "c", "lower", "upper"),
    [
        (1.0, 0.0, 1.0, 1.0),
        (0.3, math.inf, 0.0, 1.0),
        (0.3, 0.0, 0.3, 0.3),
        (0.0, 0.0, 0.0, 0.0),
        (0.5, 1e9, 0.0, 1.0),
        (5e-324, 0.0, 5e-324, 5e-324),
    ],
)
def test_edges(q, c, lower, upper):
    assert binary_kl_inverse_lower(q, c) == lower
    assert binary_kl_inverse_upper(q, c) == upper


@given(complexities)
def test_at_no_or_only_errors_the_inverse_has_a_closed_form(c):
    # both sides round a few times
    assert binary_kl_inverse_upper(0.0, c) == pytest.approx(-math.expm1(-c), rel=1e-14)
    assert binary_kl_inverse_lower(1.0, c) == pytest.approx(math.exp(-c), rel=1e-14)
    assert binary_kl_inverse_upper(1.0, c) == 1.0
    assert binary_kl_inverse_lower(0.0, c) == 0.0


@given(risks, complexities, complexities)
def test_more_complexity_never_shrinks_the_interval(q, a, b):
    small, large = sorted((a, b))
    # each inverse is off by at most 1e-14 relative
    assert binary_kl_inverse_upper(q, small) <= binary_kl_inverse_upper(q, large) * (1 + 1e-13)
    assert binary_kl_inverse_lower(q, large) <= binary_kl_inverse_lower(q, small) * (1 + 1e-13)


@given(risks, complexities)
def test_arrays_are_their_elements(q, c):
    for function in (binary_kl_inverse_upper, binary_kl_inverse_lower):
        column, row = np.array([[q], [0.5 * q]]), np.array([c, 0.3, 0.0])
        table = function(column, row)
        assert table.shape == (2, 3)
        assert table[0, 0] == function(q, c)
        assert isinstance(function(q, c), float)


def test_strided_and_empty_arrays():
    grid = np.linspace(0, 1, 10001)
    every_other = binary_kl_inverse_upper(grid[::2], 0.1)
    assert np.array_equal(every_other, binary_kl_inverse_upper(grid, 0.1)[::2])
    assert binary_kl_inverse_upper(np.empty((0, 3)), 0.1).shape == (0, 3)


def test_memory_is_at_most_six_times_the_input():
    q, c = np.full(10**6, 0.1), np.full(10**6, 0.01)
    for function in (binary_kl_inverse_upper, binary_kl_inverse_lower):
        tracemalloc.start()
        function(q, c)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak <= 6 * q.nbytes


@pytest.mark.parametrize(
    ("function", "arguments", "message"),
    [
        (binary_kl, (1.5, 0.5), r"`q` must lie in \[0, 1\], got 1.5. Percentages"),
        (binary_kl, (0.5, math.nan), r"`p` must lie in \[0, 1\], got nan"),
        (binary_kl_inverse_upper, (-0.1, 1.0), r"`q` must lie in \[0, 1\], got -0.1"),
        (binary_kl_inverse_upper, (0.1, -1.0), "`c` must be at least 0, got -1.0"),
        (binary_kl_inverse_lower, ([0.1, 0.2], [1.0, math.nan]), "`c` must be at least 0, got nan"),
        (binary_kl_inverse_lower, ("a", 1.0), "`q` must be a number or an array, got 'a'"),
    ],
)
def test_bad_arguments(function, arguments, message):
    with pytest.raises(ValueError, match=message):
        function(*arguments)
