import itertools
import math

import mpmath
import numpy as np
import pytest

from pacbayes import bounds
from tests import oracle

GAP = {"empirical_risk": [0.3, 0.05], "kl": 300.0, "n": [5000, 5000], "delta": 0.05}


def test_the_gap_is_proved_jointly_only():
    gap = {"coefficients": [1, -1], **GAP}
    assert bounds.joint_kl_lower(**gap) == pytest.approx(0.0719, abs=5e-5)
    assert bounds.joint_kl(**gap) == pytest.approx(0.4349, abs=5e-5)
    upper, lower = bounds.simultaneous_kl(**GAP), bounds.simultaneous_kl_lower(**GAP)
    assert lower[0] - upper[1] == pytest.approx(-0.0042, abs=5e-5)
    assert upper[0] - lower[1] == pytest.approx(0.4661, abs=5e-5)


def test_simultaneous_bounds_pay_for_the_strata():
    upper = bounds.simultaneous_kl(**GAP)
    at = {"kl": 300.0, "n": 5000, "delta": 0.025}
    assert upper.tolist() == [bounds.seeger_maurer(empirical_risk=r, **at) for r in (0.3, 0.05)]
    weighted = bounds.simultaneous_kl(**GAP, weights=[0.9, 0.1])
    assert weighted[0] < upper[0] and upper[1] < weighted[1]  # noqa: PT018


def worlds(count):
    rng = np.random.default_rng(3)
    for _ in range(count):
        d = int(rng.integers(1, 6))
        yield {
            "coefficients": rng.choice([rng.normal(size=d), rng.dirichlet(np.ones(d))]).round(3)
            if d > 1
            else np.array([float(rng.choice([-1.0, 1.0]))]),
            "empirical_risk": np.where(
                rng.random(d) < 0.2, rng.choice([0.0, 1.0], size=d), rng.random(d)
            ),
            "kl": float(10 ** rng.uniform(-3, 4)),
            "n": np.floor(10 ** rng.uniform(0, 6, size=d)),
            "delta": float(10 ** rng.uniform(-9, -0.1)),
        }


def allowed(world):
    """Whether risks satisfy the joint event, in Arb, with ξ rounded up."""
    total = oracle.ball(world["kl"]) - oracle.ball(world["delta"]).log()
    for n in world["n"]:
        total += oracle.ball(bounds.log_xi(n))

    def holds(risks):
        spent = oracle.ball(0)
        for q, r, n in zip(world["empirical_risk"], risks, world["n"], strict=True):
            if r in (0.0, 1.0) and r != q:
                return False
            if r != q:
                spent += n * oracle.binary_kl(oracle.ball(q), oracle.ball(r))
        return bool(spent <= total)

    return holds


def test_no_allowed_risks_exceed_the_joint_bound():
    # the constraint's edge in random directions is searched: an inner approximation of the truth
    rng = np.random.default_rng(4)
    for world in worlds(40):
        upper, lower = bounds.joint_kl(**world), bounds.joint_kl_lower(**world)
        a, q = world["coefficients"], world["empirical_risk"]
        holds = allowed(world)
        ends = [np.where(a > 0, 1.0, 0.0), np.where(a > 0, 0.0, 1.0)]
        ends += [rng.random(len(a)) for _ in range(6)]
        for end in ends:
            inside, outside = 0.0, 1.0
            for _ in range(40):
                middle = (inside + outside) / 2
                if holds(q + middle * (end - q)):
                    inside = middle
                else:
                    outside = middle
            value = float(a @ (q + inside * (end - q)))
            assert lower - 1e-12 <= value <= upper + 1e-12


def test_joint_bound_is_attained():
    # the dual's maximiser is allowed up to a relative 1e-6, and its value is the bound
    from pacbayes.bounds.strata import best_multiplier, best_risks

    for world in worlds(60):
        a, q, n = world["coefficients"], world["empirical_risk"], world["n"]
        total = world["kl"] + float(np.sum(bounds.log_xi(n))) - math.log(world["delta"])
        scale = np.abs(a).max()
        risks = best_risks(best_multiplier(a / scale, q, n, total), a / scale, q, n)
        spent = (n * bounds.binary_kl(q, risks))[np.isfinite(bounds.binary_kl(q, risks))].sum()
        assert spent <= total * (1 + 1e-6)
        assert float(a @ risks) == pytest.approx(bounds.joint_kl(**world), abs=1e-6)


def test_composites_are_outside_their_enclosures_and_close():
    for world in worlds(60):
        joint = {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in world.items()}
        size = float(np.abs(world["coefficients"]).sum())
        for name in ("joint_kl", "joint_kl_lower"):
            sign = -1 if name.endswith("lower") else 1
            value = getattr(bounds, name)(**joint)
            rigorous = bounds.certified(name, **joint)
            assert sign * (value - rigorous) >= 0, joint
            # the slack is 1e-13 of the parts, which are as large as the coefficients together
            assert value == pytest.approx(rigorous, abs=1e-11 * size), joint


def test_enclosure_of_a_mixture_is_its_float_value():
    rng = np.random.default_rng(8)
    for _ in range(5):
        losses = [rng.choice([0.0, 0.25, 1.0], size=k).tolist() for k in (50, 900, 3)]
        arguments = {
            "weights": rng.dirichlet(np.ones(3)).tolist(),
            "losses": losses,
            "kl": float(10 ** rng.uniform(-2, 2)),
            "delta": 0.05,
        }
        value, rigorous = (
            bounds.mixture_log_wealth(**arguments),
            bounds.certified("mixture_log_wealth", **arguments),
        )
        assert rigorous <= value <= rigorous + 1e-11
    assert bounds.certified("mixture_log_wealth", **arguments | {"kl": math.inf}) >= 1 - 1e-15
    hoeffding = {"weights": [0.5, 0.5], "lam": 5e3, **GAP}
    value, rigorous = (
        bounds.mixture_hoeffding(**hoeffding),
        bounds.certified("mixture_hoeffding", **hoeffding),
    )
    assert rigorous <= value <= rigorous + 1e-13


def test_one_stratum_is_the_kl_bound():
    for risk, kl, n, delta in itertools.product(
        (0.0, 0.2, 1.0), (0.1, 50.0), (10, 4000), (1e-6, 0.1)
    ):
        one = {"empirical_risk": risk, "kl": kl, "n": n, "delta": delta}
        joint = {
            "coefficients": [1.0],
            "empirical_risk": [risk],
            "kl": kl,
            "n": [n],
            "delta": delta,
        }
        assert bounds.joint_kl(**joint) == pytest.approx(bounds.seeger_maurer(**one), abs=1e-10)
        assert bounds.joint_kl(**joint) >= bounds.seeger_maurer(**one) * (1 - 1e-13)
        lower = bounds.joint_kl_lower(**joint)
        assert lower == pytest.approx(bounds.seeger_maurer_lower(**one), abs=1e-10)


def test_joint_bound_of_the_extremes():
    assert bounds.joint_kl(coefficients=[0.0, 0.0], **GAP) == 0.0 or (
        bounds.joint_kl(coefficients=[0.0, 0.0], **GAP) < 1e-300
    )
    vacuous = {**GAP, "kl": math.inf}
    assert bounds.joint_kl(coefficients=[0.5, 0.5], **vacuous) == pytest.approx(1.0)
    assert bounds.joint_kl_lower(coefficients=[0.5, 0.5], **vacuous) == pytest.approx(0.0)


def eight_strata(graded):
    rng = np.random.default_rng(5)
    risks, n = np.linspace(0.02, 0.4, 8), 1000
    if graded:
        return [np.clip(rng.normal(r, 0.05, n), 0, 1) for r in risks]
    return [(rng.random(n) < r).astype(float) for r in risks]


@pytest.mark.parametrize(("graded", "at_most"), [(False, 0.40), (True, 0.16)])
def test_proportional_mixture_of_eight_strata(graded, at_most):
    losses = eight_strata(graded)
    means = np.array([x.mean() for x in losses])
    at = {"kl": 300.0, "delta": 0.05}
    weights, n = np.full(8, 1 / 8), np.full(8, 1000)
    empirical = float(weights @ means)
    summed = float(weights @ bounds.simultaneous_kl(empirical_risk=means, n=n, **at)) - empirical
    wealth = bounds.mixture_log_wealth(weights=weights, losses=losses, **at) - empirical
    assert wealth <= at_most * summed
    joint = bounds.joint_kl(coefficients=weights, empirical_risk=means, n=n, **at) - empirical
    assert joint <= 0.45 * summed


def test_mixture_bound_is_that_of_the_whole_sample_at_its_best_bet():
    # proportional weights: one λ for all, so that the bound is log-wealth's formula at fixed λ
    losses = eight_strata(graded=False)
    pooled = np.concatenate(losses)
    lam, kl, delta = 0.3, 40.0, 0.05
    value = bounds.mixture_log_wealth(
        weights=np.full(8, 1 / 8), losses=losses, kl=kl, delta=delta, grid=[lam]
    )
    with mpmath.workdps(40):
        spent = mpmath.fsum(-mpmath.log(1 - mpmath.mpf(lam) * x) for x in pooled)
        total = (spent + kl - mpmath.log(mpmath.mpf(delta))) / len(pooled)
        # by convexity equal risks use the budget best: 1 − λR = exp(−total)
        truth = (1 - mpmath.exp(-total)) / mpmath.mpf(lam)
    assert value >= truth
    assert value == pytest.approx(float(truth), rel=1e-9)


def test_mixture_bound_against_a_search_from_inside():
    rng = np.random.default_rng(6)
    for _ in range(10):
        sizes = rng.integers(20, 2000, size=3)
        losses = [rng.beta(2, 5, size=k) for k in sizes]
        weights = rng.dirichlet(np.ones(3))
        lam, kl, delta = 0.5, 10.0, 0.1
        value = bounds.mixture_log_wealth(
            weights=weights, losses=losses, kl=kl, delta=delta, grid=[lam]
        )
        ratio = weights / sizes
        bets = lam * ratio / ratio.max()
        spent = sum(-np.log1p(-b * x).sum() for b, x in zip(bets, losses, strict=True))
        total = spent + kl - math.log(delta)
        grid = np.linspace(0, 1, 201)
        r0, r1 = np.meshgrid(grid, grid)
        rest = total + sizes[0] * np.log1p(-bets[0] * r0) + sizes[1] * np.log1p(-bets[1] * r1)
        r2 = np.clip(-np.expm1(-np.maximum(rest, 0) / sizes[2]) / bets[2], 0, 1)
        feasible = rest >= 0
        best = (weights[0] * r0 + weights[1] * r1 + weights[2] * r2)[feasible].max()
        assert best <= value + 1e-12
        assert value - best < 0.01  # the search's own mesh


def test_hoeffding_mixture_is_its_formula_and_looser_than_the_joint_event():
    at = {"empirical_risk": [0.3, 0.05], "kl": 300.0, "n": [5000, 5000], "delta": 0.05}
    values = [
        bounds.mixture_hoeffding(weights=[0.5, 0.5], lam=lam, **at) for lam in (1e3, 5e3, 2e4)
    ]
    expected = [
        0.175 + (300 - math.log(0.05)) / lam + lam / 8 * (2 * 0.25 / 5000)
        for lam in (1e3, 5e3, 2e4)
    ]
    assert values == pytest.approx(expected, rel=1e-13)
    joint = bounds.joint_kl(coefficients=[0.5, 0.5], **at)
    assert joint < min(values)


def exceeds(bound, trials=400):
    """Share of samples in which the risk of a mixture is above its bound, KL = 0."""
    rng = np.random.default_rng(7)
    risks, n = np.array([0.1, 0.4]), [60, 30]
    weights = np.array([0.3, 0.7])
    failures = 0
    for _ in range(trials):
        losses = [(rng.random(k) < r).astype(float) for k, r in zip(n, risks, strict=True)]
        failures += bound(weights, losses, n) < weights @ risks
    return failures / trials


def test_coverage_of_the_mixture_bounds():
    delta = 0.2

    def joint(weights, losses, n):
        means = [x.mean() for x in losses]
        return bounds.joint_kl(coefficients=weights, empirical_risk=means, kl=0.0, n=n, delta=delta)

    def wealth(weights, losses, n):
        return bounds.mixture_log_wealth(
            weights=weights, losses=losses, kl=0.0, delta=delta, grid=[0.2]
        )

    def empirical(weights, losses, n):
        return float(weights @ [x.mean() for x in losses])

    # a correct bound fails more often than δ + .07 with probability below 1e-3 (Hoeffding)
    assert exceeds(joint) <= delta + 0.07
    assert exceeds(wealth) <= delta + 0.07
    assert exceeds(empirical) > delta + 0.1  # the twin that must fail


@pytest.mark.parametrize(
    ("function", "change", "message"),
    [
        (bounds.joint_kl, {"coefficients": [1.0]}, r"must have one shape \(strata,\), got \(1,\)"),
        (bounds.joint_kl, {"coefficients": [1.0, math.nan]}, "`coefficients` must be finite"),
        (bounds.joint_kl, {"coefficients": [1.0, 1.0], "n": [5000, 0]}, "`n` must be at least 1"),
        (bounds.joint_kl, {"coefficients": [1.0, 1.0], "delta": 1.0}, "`delta` must lie in"),
        (bounds.simultaneous_kl, {"weights": [0.9, 0.2]}, "asks for delta"),
        (bounds.simultaneous_kl, {"weights": [1.0, 0.0]}, "must be above 0"),
        (bounds.simultaneous_kl, {"empirical_risk": 0.1}, "must have one shape"),
        (bounds.mixture_hoeffding, {"weights": [0.5, 0.5], "lam": 0.0}, "`lam` must be above 0"),
    ],
)
def test_bad_arguments(function, change, message):
    with pytest.raises(ValueError, match=message):
        function(**GAP | change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weights": [1.0]}, "`weights` must have one entry for each stratum"),
        ({"weights": [0.0, 0.0]}, "not all 0"),
        ({"weights": [-1.0, 2.0]}, "`weights` must be at least 0, got -1.0"),
        ({"losses": [[0.1], []]}, "at least one number"),
        ({"losses": [[0.1], [1.1]]}, r"`losses` must lie in \[0, 1\], got 1.1"),
        ({"grid": [1.0]}, r"`grid` must lie in \(0, 1\), got 1.0"),
        ({"delta": math.nan}, "`delta` must lie in"),
        ({"kl": -1.0}, "`kl` must be at least 0"),
    ],
)
def test_bad_mixtures(change, message):
    good = {"weights": [0.5, 0.5], "losses": [[0.1], [0.2]], "kl": 1.0, "delta": 0.05}
    with pytest.raises(ValueError, match=message):
        bounds.mixture_log_wealth(**good | change)
