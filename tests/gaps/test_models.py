"""Every model's interval contains the gap of worlds known exactly; twins must not."""

import math
import pickle
from dataclasses import FrozenInstanceError, asdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pacbayes.confidence import kl_lower, kl_upper
from pacbayes.errors import InputError
from pacbayes.gaps import (
    GAPS,
    Gap,
    HeldOut,
    Pairs,
    beta,
    density_ratio,
    disagreement,
    harder_mass,
    lookup_gap,
    one_sided_lipschitz,
    slopes,
    total_variation,
)
from tests.gaps.worlds import world

seeds = st.integers(0, 10**6)


@settings(max_examples=60, deadline=None)
@given(seeds)
def test_total_variation_contains_the_gap_and_is_attained(seed):
    at = world(seed)
    gap = total_variation(
        train_weights=at.train, target_weights=at.target, shared_conditionals=True
    )
    assert gap.interval[0] <= at.gap <= gap.interval[1]
    # risk 1 where the target has more weight, 0 elsewhere
    worst = float(((at.target - at.train) * (at.target > at.train)).sum())
    assert worst <= gap.interval[1] <= worst + 1e-12
    assert gap.status == "certificate"


def test_total_variation_is_blind_to_order():
    target = np.full(4, 0.25)
    widths = {total_variation(train_weights=v, target_weights=target).width for v in np.eye(4)}
    assert max(widths) - min(widths) < 1e-12


def rising(seed):
    """Weights, difficulties and risks that rise by at most 1 per unit."""
    rng = np.random.default_rng(seed)
    k = int(rng.integers(2, 7))
    steps = rng.uniform(0.01, 0.3, k - 1)
    difficulties = np.concatenate([[rng.normal()], steps]).cumsum()
    slope = rng.choice([0, 1, rng.random()], size=k - 1)
    risks = np.concatenate([[0], slope * steps]).cumsum()
    risks = risks / max(1.0, risks[-1])
    return rng.dirichlet(np.ones(k)), rng.dirichlet(np.ones(k)), difficulties, risks


@settings(max_examples=80, deadline=None)
@given(seeds)
def test_one_sided_lipschitz_contains_the_gap_of_rising_risks(seed):
    train, target, difficulties, risks = rising(seed)
    gap = one_sided_lipschitz(
        train_weights=train, target_weights=target, difficulties=difficulties, slope=1.0
    )
    true = float((target - train) @ risks)
    assert gap.interval[0] - 1e-15 <= true <= gap.interval[1] + 1e-15
    assert gap.status == "forecast"
    assert "Assumes, unmeasured" in gap.assumption


def test_transport_is_that_of_all_couplings():
    # W₁ on the line by linear programming, a method that knows nothing of distribution functions
    from scipy.optimize import linprog

    for seed in range(15):
        train, target, difficulties, _ = rising(seed)
        k = len(train)
        cost = np.abs(difficulties[:, None] - difficulties[None, :]).ravel()
        sums = np.concatenate(
            [np.kron(np.eye(k), np.ones((1, k))), np.kron(np.ones((1, k)), np.eye(k))]
        )
        best = linprog(cost, A_eq=sums, b_eq=np.concatenate([train, target]))
        assert sum(harder_mass(train, target, difficulties)) == pytest.approx(best.fun, abs=1e-9)


def test_harder_training_data_than_the_target_leave_nothing_above():
    gap = one_sided_lipschitz(
        train_weights=[0, 0, 1], target_weights=[0.2, 0.5, 0.3], difficulties=[0, 1, 2], slope=0.4
    )
    assert 0 <= gap.interval[1] < 1e-12
    assert gap.interval[0] == pytest.approx(-0.4 * 0.9, abs=1e-12)
    # the order reversed, the same total variation: all of it is above
    reverse = one_sided_lipschitz(
        train_weights=[1, 0, 0], target_weights=[0.3, 0.5, 0.2], difficulties=[0, 1, 2], slope=0.4
    )
    assert reverse.interval[1] == pytest.approx(0.36, abs=1e-12)


def test_certified_slopes_cover_and_the_point_slopes_do_not():
    rng = np.random.default_rng(1)
    risks, n, difficulties = np.array([0.1, 0.2, 0.5]), 200, [1.0, 2.0, 4.0]
    true = np.diff(risks) / np.diff(difficulties)
    weights = {"train_weights": [0.6, 0.3, 0.1], "target_weights": [0.1, 0.3, 0.6]}
    gap_of = float(np.subtract(weights["target_weights"], weights["train_weights"]) @ risks)
    failures, twin, outside = 0, 0, 0
    for _ in range(150):
        mean = rng.binomial(n, risks) / n
        held_out = HeldOut(mean=tuple(mean), n=(n,) * 3, zero_one=True)
        low, high = slopes(held_out, difficulties, 0.1)
        failures += not (low <= true.min() and true.max() <= high)
        point = np.diff(mean) / np.diff(difficulties)
        twin += not (point.min() <= true.min() and true.max() <= point.max())
        gap = one_sided_lipschitz(
            **weights,
            difficulties=difficulties,
            held_out=held_out,
            delta=0.1,
            shared_conditionals=True,
        )
        assert gap.status == "certificate"
        outside += not gap.interval[0] <= gap_of <= gap.interval[1]
    # at δ = .1 more than 34 of 150 have probability below 4e-6 (binomial)
    assert max(failures, outside) <= 34
    assert twin > 34


def bounded(at, q):
    """The population bound of Theorem 3 of Germain et al. (2016)."""
    uncovered = at.target[at.train == 0].sum()
    power = 1.0 if q == math.inf else 1 - 1 / q
    ratio = beta(at.train, at.target, q)
    return 0.5 * at.of_target.disagreement + ratio * at.of_train.joint_error**power + uncovered


@settings(max_examples=100, deadline=None)
@given(seeds, st.sampled_from([1, 1.2, 2, 3, 20, math.inf]), st.sampled_from([2, 5]), st.booleans())
def test_density_ratio_theorem(seed, q, answers, uncovered):
    at = world(seed, answers=answers, uncovered=uncovered)
    assert at.of_target.risk <= bounded(at, q) + 1e-12
    assert at.of_target.risk >= 0.5 * at.of_target.disagreement - 1e-12


def test_density_ratio_needs_its_parts():
    # dropped in turn: the target's disagreement for that of training, β, the uncovered mass
    without = {"disagreement": 0, "ratio": 0, "uncovered": 0}
    for seed in range(200):
        at = world(seed, uncovered=True)
        ratio, joint = beta(at.train, at.target, math.inf), at.of_train.joint_error
        rest = at.target[at.train == 0].sum()
        d_target, d_train = at.of_target.disagreement, at.of_train.disagreement
        twins = {
            "disagreement": 0.5 * d_train + ratio * joint + rest,
            "ratio": 0.5 * d_target + joint + rest,
            "uncovered": 0.5 * d_target + ratio * joint,
        }
        for name, value in twins.items():
            without[name] += at.of_target.risk > value + 1e-9
    assert min(without.values()) > 0


def counted(rng, risks, n, labels=True):
    """Counts of n pairs in a world with two answers: both wrong, one wrong, none."""
    both, single = risks.joint_error, risks.disagreement
    joint, differ, _ = rng.multinomial(n, [both, single, max(0.0, 1 - both - single)])
    found = {"joint_errors": int(joint), "errors": int(2 * joint + differ)} if labels else {}
    return Pairs(n=n, disagreements=int(differ), **found)


def test_counted_pairs_cover():
    rng = np.random.default_rng(2)
    failures, twin = {"density_ratio": 0, "disagreement": 0}, 0
    for seed in range(150):
        at = world(seed, uncovered=seed % 3 == 0)
        change = abs(at.of_target.joint_error - at.of_train.joint_error)
        target, train = (
            counted(rng, at.of_target, 300, labels=False),
            counted(rng, at.of_train, 300),
        )
        ratio = density_ratio(
            train_weights=at.train,
            target_weights=at.target,
            target_pairs=target,
            train_pairs=train,
            delta=0.1,
            shared_conditionals=True,
        )
        half = disagreement(
            target_pairs=target, train_pairs=train, delta=0.1, joint_error_change=change
        )
        blind = disagreement(target_pairs=target, train_pairs=train, delta=0.1)
        assert (ratio.status, half.status) == ("certificate", "forecast")
        for gap in (ratio, half):
            failures[gap.model] += not gap.interval[0] - 1e-12 <= at.gap <= gap.interval[1] + 1e-12
        twin += not blind.interval[0] <= at.gap <= blind.interval[1]
    # at δ = .1 more than 34 of 150 have probability below 4e-6 (binomial)
    assert max(failures.values()) <= 34
    assert twin > 75  # λ = 0 is an assumption, and false here


def side(count, n, share, upper):
    """Clopper–Pearson by scipy's quantiles of the beta distribution."""
    return (
        stats.beta.ppf(1 - share, count + 1, n - count)
        if upper
        else stats.beta.ppf(share, count, n - count + 1)
    )


def test_measured_ends_are_their_formulas():
    target = Pairs(n=500, disagreements=120)
    train = Pairs(n=400, disagreements=60, joint_errors=30, errors=110)
    delta = 0.1
    half = disagreement(
        target_pairs=target, train_pairs=train, delta=delta, joint_error_change=0.07
    )
    low = (side(120, 500, delta / 4, False) - side(60, 400, delta / 4, True)) / 2 - 0.07
    high = (side(120, 500, delta / 4, True) - side(60, 400, delta / 4, False)) / 2 + 0.07
    assert half.interval == pytest.approx((low, high), abs=1e-9)
    for q, power in ((math.inf, 1), (3.0, 2 / 3)):
        ratio = density_ratio(
            train_weights=[0.5, 0.4, 0.1, 0.0],
            target_weights=[0.3, 0.3, 0.35, 0.05],
            target_pairs=target,
            train_pairs=train,
            delta=delta,
            q=q,
        )
        powers = 3.5 if q == math.inf else (0.5 * 0.6**q + 0.4 * 0.75**q + 0.1 * 3.5**q) ** (1 / q)
        joint = side(30, 400, delta / 5, True)
        at = {"mean": 110 / 800, "n_draws": 400, "delta": delta / 5}
        top = side(120, 500, delta / 5, True) / 2 + powers * joint**power + 0.05
        assert ratio.interval[1] == pytest.approx(top - kl_lower(**at), abs=1e-9)
        bottom = side(120, 500, delta / 5, False) / 2 - kl_upper(**at)
        assert ratio.interval[0] == pytest.approx(bottom, abs=1e-9)


def test_slopes_are_their_formula():
    held_out = HeldOut(mean=(0.1, 0.3, 0.2), n=(50, 100, 200), zero_one=True)
    low = [side(k, n, 0.1 / 6, False) for k, n in ((5, 50), (30, 100), (40, 200))]
    high = [side(k, n, 0.1 / 6, True) for k, n in ((5, 50), (30, 100), (40, 200))]
    rises = [(low[1] - high[0]) / 0.5, (low[2] - high[1]) / 2]
    falls = [(high[1] - low[0]) / 0.5, (high[2] - low[1]) / 2]
    found = slopes(held_out, [0.0, 0.5, 2.5], 0.1)
    assert found == pytest.approx((min(rises), max(falls)), abs=1e-9)


def test_certified_slopes_bound_both_ends():
    held_out = HeldOut(mean=(0.1, 0.3, 0.2), n=(50, 100, 200), zero_one=True)
    least, largest = slopes(held_out, [0, 1, 2], 0.1)
    assert least < 0 < largest
    weights = {"train_weights": [0.2, 0.6, 0.2], "target_weights": [0.3, 0.3, 0.4]}
    harder, easier = harder_mass(**weights, difficulties=[0, 1, 2])
    gap = one_sided_lipschitz(**weights, difficulties=[0, 1, 2], held_out=held_out, delta=0.1)
    expected = (least * harder - largest * easier, largest * harder - least * easier)
    assert gap.interval == pytest.approx(expected, abs=1e-12)
    assert min(harder, easier) > 0


def test_statuses_say_what_is_assumed():
    weights = {"train_weights": [0.5, 0.5], "target_weights": [0.2, 0.8]}
    assumed = total_variation(**weights)
    assert assumed.status == "estimate"
    assert "not declared" in assumed.assumption
    pairs = Pairs(n=10, disagreements=1)
    none = disagreement(target_pairs=pairs, train_pairs=pairs, delta=0.1)
    some = disagreement(target_pairs=pairs, train_pairs=pairs, delta=0.1, joint_error_change=0.2)
    assert "as often" in none.assumption
    assert "at most 0.2" in some.assumption
    assert some.width == pytest.approx(none.width + 0.4, abs=1e-12)


def test_counted_target_weights_cover():
    rng = np.random.default_rng(3)
    risks, target, train = np.array([0.0, 1.0]), np.array([0.4, 0.6]), np.array([1.0, 0.0])
    true, failures, twin, n = float((target - train) @ risks), 0, 0, 50
    for _ in range(400):
        w = rng.multinomial(n, target) / n
        at = {"train_weights": train, "target_weights": w, "shared_conditionals": True}
        gap = total_variation(**at, n_target=n, delta=0.1)
        failures += not gap.interval[0] <= true <= gap.interval[1]
        without = total_variation(**at)
        twin += not without.interval[0] <= true <= without.interval[1]
    error = math.sqrt(math.log(20) / (2 * n))
    assert gap.interval[1] == pytest.approx(gap.detail["total_variation"] + error, abs=1e-12)
    # at δ = .1 more than 75 of 400 have probability below 1e-7 (binomial)
    assert failures <= 75
    assert twin > 75


def test_registry_has_what_it_says():
    for name, model in GAPS.items():
        assert model.function.__name__ == name
        for part in ("Args:", "Raises:", ">>> "):
            assert part in model.function.__doc__, (name, part)
    assert lookup_gap("measured") is GAPS["measured"]
    with pytest.raises(InputError, match=r"no gap model named `mesured`\. Did you mean measured"):
        lookup_gap("mesured")
    with pytest.raises(TypeError):
        GAPS["new"] = GAPS["measured"]


GOOD = {"train_weights": [0.5, 0.5], "target_weights": [0.2, 0.8]}
PAIRS = Pairs(n=10, disagreements=1)


@pytest.mark.parametrize(
    ("function", "arguments", "message"),
    [
        (total_variation, {"target_weights": [1.0]}, "must be over the same strata, got 2 and 1"),
        (total_variation, {"target_weights": [2, 8]}, "must sum to 1, got 10.0. Counts must be"),
        (total_variation, {"train_weights": [1.5, -0.5]}, "`train_weights` must be at least 0"),
        (total_variation, {"train_weights": [math.nan, 1]}, "`train_weights` must be finite"),
        (total_variation, {"train_weights": 1.0}, r"must have shape \(strata,\)"),
        (total_variation, {"n_target": 10}, "`delta` must be given with `n_target`"),
        (total_variation, {"n_target": 0, "delta": 0.1}, "`n_target` must be at least 1"),
        (one_sided_lipschitz, {"difficulties": [1, 2]}, "give either `slope`"),
        (one_sided_lipschitz, {"difficulties": [2, 1], "slope": 1}, "`difficulties` must rise"),
        (one_sided_lipschitz, {"difficulties": [1], "slope": 1}, "`difficulties` must have one"),
        (one_sided_lipschitz, {"difficulties": [1, 2], "slope": -1}, "`slope` must be at least 0"),
        (
            one_sided_lipschitz,
            {"difficulties": [1, 2], "held_out": HeldOut(mean=(0, 1), n=(5, 5))},
            "`delta` must be given with `held_out`",
        ),
        (
            density_ratio,
            {"target_pairs": PAIRS, "train_pairs": PAIRS, "delta": 0.1},
            "must have `joint_errors`",
        ),
        (
            density_ratio,
            {"target_pairs": PAIRS, "train_pairs": PAIRS, "delta": 0.1, "q": 0.5},
            "`q` must be at least 1",
        ),
    ],
)
def test_bad_arguments(function, arguments, message):
    with pytest.raises(InputError, match=message):
        function(**GOOD | arguments)


def test_bad_disagreement():
    at = {"target_pairs": PAIRS, "train_pairs": PAIRS, "delta": 0.1}
    with pytest.raises(InputError, match="`joint_error_change` must lie in"):
        disagreement(**at | {"joint_error_change": 1.1})
    with pytest.raises(InputError, match="`delta` must lie in"):
        disagreement(**at | {"delta": 0.0})


def test_a_gap_is_ordered_and_frozen():
    with pytest.raises(ValueError, match="`interval` must be ordered"):
        Gap(model="x", interval=(0.1, 0.0), status="forecast", assumption="")
    with pytest.raises(ValueError, match="`interval` must be ordered"):
        Gap(model="x", interval=(0.1, math.nan), status="forecast", assumption="")
    gap = Gap(model="x", interval=(0.0, 0.1), status="forecast", assumption="", detail={"a": 1.0})
    with pytest.raises(FrozenInstanceError):
        gap.status = "certificate"
    assert asdict(gap)["detail"] == {"a": 1.0}
    assert gap == pickle.loads(pickle.dumps(gap))
    assert hash(gap) == hash(pickle.loads(pickle.dumps(gap)))
