import numpy as np
import pytest
from scipy.optimize import minimize

from pacbayes.errors import InputError
from pacbayes.planning.kl_growth import kl_growth

HEIGHT = np.array([3.0, 5.0, 20.0, 30.0])


def runs(exponent, noise=0.05, seed=0, by_difficulty=0.0):
    rng = np.random.default_rng(seed)
    d, n, _ = map(np.ravel, np.meshgrid(np.arange(4), [100, 300, 900], range(3)))
    a = exponent + by_difficulty * (d - 1.5)
    kl = HEIGHT[d] * (n / 300) ** a * np.exp(noise * rng.standard_normal(len(d)))
    return {"difficulty": d, "budget": n, "kl": kl}


@pytest.mark.parametrize(
    ("exponent", "verdict", "says"),
    [
        (0.5, "shift", "moves to harder data as the budget grows"),
        (1.5, "reversal", r"moves to easier data as the budget grows \(a reversal\)"),
        (1.0, "flat", "does not move the bound's optimum"),
    ],
)
def test_verdicts(exponent, verdict, says):
    found = kl_growth(**runs(exponent))
    assert found.verdict == verdict
    assert found.exponent == pytest.approx(exponent, abs=0.05)
    assert says.replace("\\", "") in found.statement
    assert f"n^{found.exponent:.2f}" in found.statement


def test_noise_leaves_the_verdict_open():
    found = kl_growth(**runs(0.97, noise=0.6))
    assert found.verdict == "undecided"
    assert "not told apart from 1" in found.statement


def test_exact_runs_give_exact_numbers():
    found = kl_growth(**runs(1.3, noise=0))
    assert found.exponent == pytest.approx(1.3, rel=1e-9)
    assert found.reference_budget == pytest.approx(300)
    np.testing.assert_allclose(found.kl, HEIGHT, rtol=1e-9)
    np.testing.assert_allclose(found.at(2700), HEIGHT * 9**1.3, rtol=1e-9)
    assert found.shared is True


def test_exponent_is_that_of_a_regression_with_a_column_for_each_difficulty():
    given = runs(0.7, noise=0.3, seed=1)
    design = np.column_stack([np.log(given["budget"]), np.eye(4)[given["difficulty"]]])
    solution, rss, _, _ = np.linalg.lstsq(design, np.log(given["kl"]), rcond=None)
    found = kl_growth(**given)
    assert found.exponent == pytest.approx(solution[0], rel=1e-10)
    # Student's t, 31 degrees of freedom, 95 %: 1.6955
    error = np.sqrt(rss[0] / 31 * np.linalg.inv(design.T @ design)[0, 0])
    assert found.interval[1] - found.exponent == pytest.approx(1.6955 * error, rel=1e-4)


def test_interval_covers_and_half_of_it_does_not():
    found = [kl_growth(**runs(0.8, noise=0.2, seed=s)) for s in range(300)]
    error = np.array([f.exponent - 0.8 for f in found])
    half = np.array([(f.interval[1] - f.interval[0]) / 2 for f in found])
    # standard error .017: three of them either way; one test in a hundred takes the wider interval
    assert 0.85 <= np.mean(abs(error) <= half) <= 0.955
    assert np.mean(abs(error) <= half / 2) < 0.85


def test_difficulties_with_exponents_of_their_own_widen_the_interval():
    same, different = kl_growth(**runs(0.9)), kl_growth(**runs(0.9, by_difficulty=0.3))
    assert (same.shared, different.shared) == (True, False)
    given = runs(0.9, by_difficulty=0.3)
    x, y = np.log(given["budget"]), np.log(given["kl"])
    slopes = [
        np.polyfit(x[own], y[own], 1)[0] for own in given["difficulty"] == np.arange(4)[:, None]
    ]
    # Student's t, 3 degrees of freedom, 95 %: 2.3534
    assert np.ptp(different.interval) == pytest.approx(2.3534 * np.std(slopes, ddof=1), rel=1e-4)
    assert np.ptp(different.interval) > 3 * np.ptp(same.interval)
    assert "Difficulties differ in exponent" in different.statement


def test_monotone_heights_minimise_the_squares():
    rng = np.random.default_rng(5)
    d = np.repeat(np.arange(5), 4)
    n = rng.choice([10, 20, 80, 160], size=20)
    y = 0.6 * np.log(n) + np.array([1.0, 0.5, 0.8, 2, 1.9])[d] + 0.2 * rng.standard_normal(20)
    found = kl_growth(difficulty=d, budget=n, kl=np.exp(y), monotone=True)

    def squares(v):
        heights = np.cumsum(np.concatenate([v[1:2], np.exp(v[2:])]))
        return np.sum((y - v[0] * np.log(n) - heights[d]) ** 2)

    best = min(
        (
            minimize(squares, [0.5, 1.0, *steps], method="BFGS")
            for steps in ([-1.0] * 4, [-8.0, -8, 0, -8], [-3.0] * 4)
        ),
        key=lambda s: s.fun,
    )
    fitted = y - found.exponent * np.log(n / found.reference_budget) - np.log(found.kl)[d]
    assert np.all(np.diff(found.kl) >= -1e-12)
    assert np.sum(fitted**2) <= best.fun * (1 + 1e-6)


def test_free_heights_may_fall():
    given = runs(0.5, noise=0)
    given["kl"] = given["kl"] * np.array([1, 1, 0.1, 1])[given["difficulty"]]
    assert np.any(np.diff(kl_growth(**given).kl) < 0)


def test_one_budget_tells_no_exponent():
    found = kl_growth(difficulty=[0, 0, 1, 1], budget=[50] * 4, kl=[1, 1, 3, 3])
    assert (found.exponent, found.interval, found.verdict) == (None, None, "undecided")
    assert "not known" in found.statement
    np.testing.assert_allclose(found.at(50), [1, 3])
    with pytest.raises(InputError, match="nothing to forecast from"):
        found.at(100)


def test_too_few_runs_tell_no_error():
    found = kl_growth(difficulty=[0, 0, 1], budget=[10, 100, 10], kl=[1, 10, 3])
    assert found.exponent == pytest.approx(1)
    assert (found.interval, found.verdict) == (None, "undecided")
    assert "too few runs" in found.statement


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kl": [1.0, 0.0]}, "`kl` must be finite and above 0"),
        ({"kl": [1.0, np.inf]}, "`kl` must be finite"),
        ({"budget": [0, 1]}, "`budget` must be finite and above 0"),
        ({"difficulty": [np.nan, 1]}, "`difficulty` must be finite."),
        ({"budget": [1]}, "one entry a run"),
        ({"level": 0.0}, r"`level` must lie in \(0, 1\)"),
    ],
)
def test_bad_input(change, message):
    given = {"difficulty": [0, 1], "budget": [1, 2], "kl": [1.0, 2.0]} | change
    with pytest.raises(InputError, match=message):
        kl_growth(**given)
