"""The measured gap: exact coverage by enumeration, an oracle in Arb, and simulation."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from pacbayes.errors import InputError
from pacbayes.gaps import CertifiedRisk, HeldOut, measured, measured_on_target
from tests import oracle


def interval(errors, n, train, target, delta, **more):
    means = tuple(k / m for k, m in zip(errors, n, strict=True))
    return measured(
        train_weights=train,
        target_weights=target,
        held_out=HeldOut(mean=means, n=n, zero_one=True),
        delta=delta,
        shared_conditionals=True,
        **more,
    ).interval


@pytest.mark.parametrize(
    "events", [("strata",), ("linear",), ("joint",), ("strata", "linear"), ("joint", "linear")]
)
def test_coverage_by_enumeration(events):
    # the search of the joint event takes 10 ms
    n, delta = (5, 4) if "joint" in events else (12, 9), 0.2
    train, target = [0.9, 0.1], [0.2, 0.8]
    a = np.subtract(target, train)
    counts = list(itertools.product(range(n[0] + 1), range(n[1] + 1)))
    ends = np.array([interval(k, n, train, target, delta, events=events) for k in counts])
    point = np.array([a @ (np.array(k) / n) for k in counts])
    assert np.all((ends[:, 0] <= point) & (point <= ends[:, 1]))
    twins = []
    for risks in itertools.product([0.02, 0.1, 0.3, 0.5, 0.8, 0.97], repeat=2):
        weight = np.prod(
            [binom.pmf([k[d] for k in counts], n[d], risks[d]) for d in range(2)], axis=0
        )
        true = float(a @ risks)
        misses = (true < ends[:, 0] - 1e-12) | (true > ends[:, 1] + 1e-12)
        assert weight[misses].sum() <= delta * (1 + 1e-12)
        # the twin: half as wide about the point estimate
        half = point[:, None] + (ends - point[:, None]) / 2
        twins.append(weight[(true < half[:, 0]) | (true > half[:, 1])].sum())
    assert max(twins) > delta


@pytest.mark.parametrize("event", ["strata", "joint"])
def test_weights_chosen_by_the_losses(event):
    # the difference of any two of three strata, whichever the losses show to be violated
    n, delta = (2, 2, 1), 0.3
    pairs = [(i, j) for i, j in itertools.combinations(range(3), 2)]
    counts = list(itertools.product(range(3), range(3), range(2)))
    ends = np.array(
        [
            [interval(k, n, np.eye(3)[i], np.eye(3)[j], delta, events=(event,)) for i, j in pairs]
            for k in counts
        ]
    )
    misses_of_twin = []
    for risks in ([0.05, 0.5, 0.95], [0.3, 0.3, 0.3], [0.02, 0.02, 0.6]):
        weight = np.prod(
            [binom.pmf([k[d] for k in counts], n[d], risks[d]) for d in range(3)], axis=0
        )
        true = np.array([risks[j] - risks[i] for i, j in pairs])
        misses = (true < ends[..., 0] - 1e-12) | (true > ends[..., 1] + 1e-12)
        assert weight[misses.any(axis=1)].sum() <= delta * (1 + 1e-12)
        half = ends.mean(axis=-1, keepdims=True) + (ends - ends.mean(axis=-1, keepdims=True)) / 3
        misses = (true < half[..., 0]) | (true > half[..., 1])
        misses_of_twin.append(weight[misses.any(axis=1)].sum())
    assert max(misses_of_twin) > delta


def clopper_pearson(k, n, share, upper):
    """Two Arb numbers about the exact bound, by bisection of the binomial tail."""
    if k == (n if upper else 0):
        return (oracle.ball(1), oracle.ball(1)) if upper else (oracle.ball(0), oracle.ball(0))
    low, high = oracle.ball(0), oracle.ball(1)
    for _ in range(120):
        p = ((low + high) / 2).mid()
        tail = oracle.binomial_cdf(k, n, p) if upper else 1 - oracle.binomial_cdf(k - 1, n, p)
        if (tail > share) == upper:
            low = p
        else:
            high = p
    return low, high


def test_joint_event_of_strata_against_arb():
    rng = np.random.default_rng(0)
    for _ in range(6):
        k = int(rng.integers(2, 4))
        n = tuple(int(x) for x in rng.integers(3, 60, k))
        errors = tuple(int(rng.integers(0, m + 1)) for m in n)
        train, target = (rng.multinomial(64, np.ones(k) / k) / 64 for _ in range(2))
        a = [Fraction(float(w)) - Fraction(float(v)) for v, w in zip(train, target, strict=True)]
        if not any(a):
            continue
        share = oracle.ball(0.1) / (2 * k)
        exact = {"low": oracle.ball(0), "high": oracle.ball(0)}
        for x, m, count in zip(a, n, errors, strict=True):
            for side in exact:
                upper = (x > 0) == (side == "high")
                exact[side] += oracle.ball(x) * clopper_pearson(count, m, share, upper)[0]
        low, high = interval(errors, n, train, target, 0.1, events=("strata",))
        assert oracle.ball(low) <= exact["low"]
        assert exact["high"] <= oracle.ball(high)
        assert low == pytest.approx(float(exact["low"]), abs=1e-10)
        assert high == pytest.approx(float(exact["high"]), abs=1e-10)


def test_linear_event_is_its_formula():
    low, high = interval((30, 50), (100, 200), [1, 0], [0.25, 0.75], 0.1, events=("linear",))
    radius = math.sqrt(math.log(20) / 2 * (0.75**2 / 100 + 0.75**2 / 200))
    assert high == pytest.approx(0.75 * (0.25 - 0.3) + radius, abs=1e-12)
    assert low == pytest.approx(0.75 * (0.25 - 0.3) - radius, abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 1), st.integers(1, 10**5)), min_size=2, max_size=5),
    st.integers(0, 1000),
    st.floats(1e-9, 0.9),
)
def test_properties(strata, seed, delta):
    means, n = zip(*strata, strict=True)
    train, target = np.random.default_rng(seed).dirichlet(np.ones(len(n)), size=2)
    held_out = HeldOut(mean=means, n=n)
    gap = measured(train_weights=train, target_weights=target, held_out=held_out, delta=delta)
    low, high = gap.interval
    assert -1 <= low <= gap.estimate <= high <= 1
    # reversing training and target reverses the gap
    back = measured(train_weights=target, target_weights=train, held_out=held_out, delta=delta)
    assert back.interval == pytest.approx((-high, -low), abs=1e-11)
    # less δ, more width
    less = measured(train_weights=train, target_weights=target, held_out=held_out, delta=delta / 10)
    assert less.interval[0] <= low + 1e-15
    assert less.interval[1] >= high - 1e-15
    same = measured(train_weights=train, target_weights=train, held_out=held_out, delta=delta)
    assert same.interval == pytest.approx((0, 0), abs=1e-12)


def test_strata_with_equal_weights_cost_nothing():
    two = interval((30, 50), (100, 200), [0.7, 0.3], [0.3, 0.7], 0.1)
    more = interval(
        (30, 1, 50, 7), (100, 1, 200, 9), [0.35, 0.25, 0.15, 0.25], [0.15, 0.25, 0.35, 0.25], 0.1
    )
    assert more == pytest.approx(tuple(x / 2 for x in two), abs=1e-12)


def test_they_cost_a_share_where_the_weights_may_be_chosen():
    at = {"train": [0.7, 0.2, 0.1], "target": [0.1, 0.2, 0.7], "events": ("strata",)}
    low, high = HeldOut(mean=(0.3, 0.5, 0.25), n=(100, 20, 200), zero_one=True).intervals(0.1)
    found = interval((30, 10, 50), (100, 20, 200), delta=0.1, **at)
    expected = (0.6 * (low[2] - high[0]), 0.6 * (high[2] - low[0]))
    assert found == pytest.approx(expected, abs=1e-12)


def test_counted_weights_widen_by_their_error():
    at = {"train": [1, 0], "target": [0.4, 0.6], "events": ("linear",)}
    n, errors = (100, 200), (30, 50)
    low, high = interval(errors, n, delta=0.05, **at)
    counted = interval(errors, n, delta=0.1, n_target=50, **at)
    error = math.sqrt(math.log(2 / 0.05) / 100)
    assert counted == pytest.approx((low - error, high + error), abs=1e-12)


def test_coverage_in_simulation_with_graded_losses_and_counted_weights():
    rng = np.random.default_rng(4)
    train, target = np.array([0.7, 0.2, 0.1]), np.array([0.2, 0.3, 0.5])
    shapes, n, n_target, delta = [(1, 9), (2, 6), (5, 5)], (40, 40, 40), 60, 0.2
    risks = np.array([p / (p + q) for p, q in shapes])
    true, failures, twin = float((target - train) @ risks), 0, 0
    for _ in range(300):
        means = tuple(float(rng.beta(*s, m).mean()) for s, m in zip(shapes, n, strict=True))
        w = rng.multinomial(n_target, target) / n_target
        held_out = HeldOut(mean=means, n=n)
        gap = measured(
            train_weights=train,
            target_weights=w,
            held_out=held_out,
            delta=delta,
            n_target=n_target,
        )
        failures += not gap.interval[0] <= true <= gap.interval[1]
        # the twin takes the means for the risks
        twin += abs(gap.estimate - true) > 0.02
    # at δ = .2 more than 95 of 300 have probability below 1e-6 (binomial)
    assert failures <= 95
    assert twin > 95


def test_coverage_on_the_target_itself():
    rng = np.random.default_rng(5)
    failures, twin, delta = 0, 0, 0.2
    for _ in range(400):
        target, train = rng.binomial(60, 0.4) / 60, rng.binomial(80, 0.15) / 80
        gap = measured_on_target(
            target=HeldOut(mean=(target,), n=(60,), zero_one=True),
            train=HeldOut(mean=(train,), n=(80,), zero_one=True),
            delta=delta,
        )
        assert gap.status == "certificate"
        failures += not gap.interval[0] <= 0.25 <= gap.interval[1]
        # the twin forgets that the training risk has an error too, and spends δ on either side
        radius = math.sqrt(math.log(1 / 0.5) / (2 * 60))
        twin += abs(target - train - 0.25) > radius
    # at δ = .2 more than 120 of 400 have probability below 1e-6 (binomial)
    assert failures <= 120
    assert twin > 120


def test_a_certificate_in_place_of_held_out_training_data():
    target = HeldOut(mean=(0.4,), n=(60,), zero_one=True)
    certified = CertifiedRisk(interval=(0.1, 0.2), delta=0.03)
    gap = measured_on_target(target=target, train=certified, delta=0.05, events=("strata",))
    low, high = target.intervals(0.05)
    assert gap.interval == pytest.approx((low[0] - 0.2, high[0] - 0.1), abs=1e-12)
    assert gap.delta == pytest.approx(0.08)
    assert gap.estimate is None
    with pytest.raises(InputError, match=r"`interval` must be \(low, high\)"):
        CertifiedRisk(interval=(0.2, 0.1), delta=0.03)
    with pytest.raises(InputError, match="`interval` must lie in"):
        CertifiedRisk(interval=(0.2, math.nan), delta=0.03)


def test_default_is_close_to_the_better_event():
    # the other half of δ costs a factor of about √(1 + ln 2/ln(4/δ)) = 1.08 here
    few = interval((5, 8), (1000, 1000), [1, 0], [0, 1], 0.05)
    alone = interval((5, 8), (1000, 1000), [1, 0], [0, 1], 0.05, events=("strata",))
    other = interval((5, 8), (1000, 1000), [1, 0], [0, 1], 0.05, events=("linear",))
    assert few[1] - few[0] < 1.12 * (alone[1] - alone[0]) < other[1] - other[0]


GOOD = {
    "train_weights": [0.5, 0.5],
    "target_weights": [0.2, 0.8],
    "held_out": HeldOut(mean=(0.1, 0.2), n=(10, 10)),
    "delta": 0.1,
}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"delta": 1.0}, "`delta` must lie in"),
        ({"events": ("stratum",)}, "`events` must be among strata, linear, joint, got 'stratum'"),
        ({"events": ()}, "at least one event"),
        ({"events": ("joint", "joint")}, "each once"),
        ({"held_out": HeldOut(mean=(0.1,), n=(10,))}, "usual mistake is a target stratum without"),
        ({"n_target": 1.5}, "`n_target` must be a whole number"),
        ({"target_weights": [0.2, 0.7]}, "`target_weights` must sum to 1"),
    ],
)
def test_bad_arguments(change, message):
    with pytest.raises(InputError, match=message):
        measured(**GOOD | change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mean": (0.1, math.nan)}, "`mean` must lie in"),
        ({"mean": (10.0, 20.0)}, "Percentages must be divided by 100"),
        ({"n": (10, 0)}, "`n` must be at least 1"),
        ({"n": (10,)}, r"must have one shape \(strata,\)"),
        ({"mean": (0.15, 0.2), "zero_one": True}, "must be whole for losses of 0 or 1"),
    ],
)
def test_bad_held_out(change, message):
    with pytest.raises(InputError, match=message):
        HeldOut(**{"mean": (0.1, 0.2), "n": (10, 10)} | change)


def test_bad_target():
    two, one = HeldOut(mean=(0.1, 0.2), n=(5, 5)), HeldOut(mean=(0.1,), n=(5,))
    with pytest.raises(InputError, match="must have one entry each"):
        measured_on_target(target=two, train=one, delta=0.1)
    with pytest.raises(InputError, match="`events` must be among"):
        measured_on_target(target=one, train=one, delta=0.1, events=("x",))
