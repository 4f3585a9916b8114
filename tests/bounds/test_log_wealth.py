import math

import numpy as np
import pytest

from pacbayes import bounds
from pacbayes.bounds import certified, enclosure
from tests import oracle


def beta_losses(n=5000):
    """Quantiles of Beta with mean .2 and standard deviation .05."""
    from scipy.stats import beta

    total = 0.2 * 0.8 / 0.05**2 - 1
    return beta(0.2 * total, 0.8 * total).ppf((np.arange(n) + 0.5) / n)


def samples(count):
    rng = np.random.default_rng(0)
    for i in range(count):
        n = int(10 ** rng.uniform(0, 3))
        kind = i % 4
        losses = (
            rng.random(n),
            (rng.random(n) < rng.random()).astype(float),
            rng.choice([0.0, 0.5, 1.0], size=n),
            np.clip(rng.normal(rng.random(), 0.05, n), 0, 1),
        )[kind]
        yield losses, float(10 ** rng.uniform(-3, 3)), float(10 ** rng.uniform(-6, -0.1))


def test_never_above_the_kl_bounds():
    for losses, kl, delta in samples(3000):
        n, risk = len(losses), min(1.0, math.fsum(losses) / len(losses))
        value = bounds.log_wealth(losses=losses, kl=kl, delta=delta)
        at = {"empirical_risk": risk, "kl": kl, "n": n, "delta": delta}
        assert value <= bounds.time_uniform_kl(**at) + 1e-12
        assert value <= bounds.seeger_maurer_2sqrtn(**at) + 1e-12
        assert value >= risk * (1 - 1e-12)


def test_lower_twin_is_never_below_the_kl_bounds():
    for losses, kl, delta in samples(400):
        n, risk = len(losses), min(1.0, math.fsum(losses) / len(losses))
        value = bounds.log_wealth_lower(losses=losses, kl=kl, delta=delta)
        at = {"empirical_risk": risk, "kl": kl, "n": n, "delta": delta}
        assert bounds.time_uniform_kl_lower(**at) - 1e-12 <= value <= risk * (1 + 1e-12)


def test_beta_losses():
    at = {"kl": 100.0, "delta": 0.05}
    losses = beta_losses()
    assert losses.mean() == pytest.approx(0.2, abs=1e-6)
    wealth = bounds.log_wealth(losses=losses, **at)
    assert wealth <= 0.2187
    assert wealth == pytest.approx(0.2186, abs=1e-4)
    moments = {"empirical_risk": losses.mean(), "n": 5000, **at}
    assert bounds.seeger_maurer(**moments) == pytest.approx(0.2910, abs=3e-4)
    excess = np.maximum(losses - 0.2, 0).mean()
    split = bounds.split_kl(**moments, mu=0.2, excess=excess)
    assert wealth < split < bounds.seeger_maurer(**moments)


def test_within_its_enclosure_at_the_best_parameter():
    for losses, kl, delta in samples(60):
        arguments = {"losses": losses, "kl": kl, "delta": delta}
        value, ball = bounds.log_wealth(**arguments), enclosure("log_wealth", **arguments)
        # both are values at a parameter near the best; the minimum is flat there
        assert float((oracle.ball(value) - ball).mid()) == pytest.approx(0, abs=1e-10)
        assert certified("log_wealth", **arguments) <= value * (1 + 1e-9)
        lower = bounds.log_wealth_lower(**arguments)
        ball = enclosure("log_wealth_lower", **arguments)
        assert float((oracle.ball(lower) - ball).mid()) == pytest.approx(0, abs=1e-9)


def test_counts_are_a_sufficient_statistic():
    losses = np.random.default_rng(1).choice([0.0, 0.25, 1.0], size=300)
    values, counts = np.unique(losses, return_counts=True)
    whole = bounds.log_wealth(losses=losses, kl=5.0, delta=0.05)
    assert bounds.log_wealth(losses=values, counts=counts, kl=5.0, delta=0.05) == whole
    shuffled = np.random.default_rng(2).permutation(losses)
    assert bounds.log_wealth(losses=shuffled, kl=5.0, delta=0.05) == whole


def test_atoms_of_a_posterior_are_averaged_in_the_logarithm():
    atoms = np.array([[0.0, 1.0] * 50, [1.0, 0.0] * 50])
    at = {"kl": 5.0, "delta": 0.05}
    both = bounds.log_wealth(losses=atoms, **at)
    # the mean loss of each example is 1/2; taking it would be far too low
    assert both == bounds.log_wealth(losses=[0.0, 1.0] * 50, **at)
    assert both > bounds.log_wealth(losses=[0.5] * 100, **at) + 0.05


def test_shape_is_that_of_kl_and_delta():
    values = bounds.log_wealth(losses=[0.1, 0.2], kl=[[1.0], [2.0]], delta=[0.1, 0.2, 0.3])
    assert values.shape == (2, 3)
    assert bounds.log_wealth(losses=[0.1], kl=math.inf, delta=0.1) == 1.0
    assert bounds.log_wealth_lower(losses=[0.1], kl=math.inf, delta=0.1) == 0.0
    assert bounds.log_wealth(losses=[1.0, 1.0], kl=0.0, delta=0.5) == 1.0


def test_at_a_bet_it_is_the_formula_and_never_below():
    rng = np.random.default_rng(5)
    for losses, kl, delta in samples(200):
        n = len(losses)
        for lam in (float(rng.random()), -float(10 ** rng.uniform(-3, 3))):
            name = "log_wealth_at" if lam > 0 else "log_wealth_at_lower"
            m = float(np.log1p(-lam * losses).mean())
            at = {"mean_log": m, "lam": lam, "kl": kl, "n": n, "delta": delta}
            value, ball = getattr(bounds, name)(**at), enclosure(name, **at)
            exact = (
                1
                - (
                    oracle.ball(m) - (oracle.ball(kl) + kt(n).log() - oracle.ball(delta).log()) / n
                ).exp()
            ) / oracle.ball(lam)
            exact = min(exact, oracle.ball(1)) if lam > 0 else max(exact, oracle.ball(0))
            assert float((ball - exact).mid()) == pytest.approx(0, abs=1e-40)
            gap = float((oracle.ball(value) - ball).mid())
            assert 0 <= gap * (1 if lam > 0 else -1) < 1e-11
            # any bet is valid, the best one best
            best = getattr(bounds, name.replace("_at", ""))(losses=losses, kl=kl, delta=delta)
            assert value >= best - 1e-9 if lam > 0 else value <= best + 1e-9


def kt(n):
    """√π Γ(n + 1)/Γ(n + 1/2) = 4ⁿ/C(2n, n)."""
    return oracle.ball(4**n) / oracle.ball(math.comb(2 * n, n))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lam": 1.0}, r"`lam` must lie in \(0, 1\), got 1.0"),
        ({"lam": -1.0}, r"`lam` must lie in \(0, 1\), got -1.0"),
        ({"mean_log": 0.1}, "`mean_log` must be at most 0, got 0.1. It is the mean of"),
        ({"mean_log": -math.inf}, "`mean_log` must be finite"),
    ],
)
def test_bad_bets(change, message):
    at = {"mean_log": -0.1, "lam": 0.5, "kl": 1.0, "n": 10, "delta": 0.05}
    with pytest.raises(ValueError, match=message):
        bounds.log_wealth_at(**at | change)
    with pytest.raises(ValueError, match="`lam` must be below 0"):
        bounds.log_wealth_at_lower(**at)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"losses": [0.5, 1.1]}, r"`losses` must lie in \[0, 1\], got 1.1"),
        ({"losses": [0.5, math.nan]}, r"`losses` must lie in \[0, 1\], got nan"),
        ({"losses": []}, r"`losses` must have shape \(n,\) or \(atoms, n\) with at least one"),
        ({"counts": [1.0]}, "`counts` must have the shape of `losses`"),
        ({"counts": [1.0, 0.5]}, "`counts` must sum to a whole number of at least 1, got 1.5"),
        ({"counts": [3.0, -1.0]}, "`counts` must be at least 0, got -1.0"),
        ({"kl": -1.0}, "`kl` must be at least 0"),
        ({"delta": 0.0}, r"`delta` must lie in \(0, 1\)"),
    ],
)
def test_bad_arguments(change, message):
    for function in (bounds.log_wealth, bounds.log_wealth_lower):
        with pytest.raises(ValueError, match=message):
            function(**{"losses": [0.1, 0.2], "kl": 1.0, "delta": 0.05} | change)
