from functools import cache

import numpy as np
import pytest
from scipy.optimize import least_squares
from scipy.special import expit, logit

from pacbayes.errors import InputError
from pacbayes.learning_curves import coordinates as prior
from pacbayes.learning_curves import fit_learning_curves
from pacbayes.learning_curves.fit import solve

DIFFICULTIES = np.array([0.0, 0.3, 0.6, 1.0])
BASE = 0.8


def true_risk(d, n, g=0.9):
    floor, k = 0.1 + 0.3 * (1 - d), 100 * np.exp(3 * d)
    return floor + (BASE - floor) / (1 + (n / k) ** g)


def runs(rng, *, budgets=(300, 900, 2700), seeds=3, n_test=1000, seed_sd=0.0, g=0.9):
    d, n, _ = map(np.ravel, np.meshgrid(DIFFICULTIES, budgets, range(seeds)))
    risk = np.clip(true_risk(d, n, g) * np.exp(seed_sd * rng.standard_normal(len(d))), 0, 1)
    return {
        "difficulty": d,
        "budget": n,
        "risk": rng.binomial(n_test, risk) / n_test,
        "n_test": n_test,
        "base_risk": rng.binomial(n_test, BASE) / n_test,
        "n_base": n_test,
    }


def exact_runs(n_test=10**9):
    d, n = map(np.ravel, np.meshgrid(DIFFICULTIES, np.geomspace(10, 1e6, 12)))
    return {
        "difficulty": d,
        "budget": n,
        "risk": true_risk(d, n),
        "n_test": n_test,
        "base_risk": BASE,
    }


def test_known_parameters_are_found_from_exact_runs():
    best = fit_learning_curves(**exact_runs(), n_fits=2).best
    np.testing.assert_allclose(best.exponent, 0.9, rtol=1e-4)
    np.testing.assert_allclose(best.asymptote[0], 0.1 + 0.3 * (1 - DIFFICULTIES), rtol=1e-3)
    np.testing.assert_allclose(best.scale[0], 100 * np.exp(3 * DIFFICULTIES), rtol=1e-3)


def plain_residuals(z, d, n, y, sd, centre):
    """The penalised residuals of one fit, written out again and not batched."""
    x = (DIFFICULTIES - DIFFICULTIES[0]) / np.ptp(DIFFICULTIES)
    a = logit(BASE) + prior.FIRST_ASYMPTOTE[0] + prior.FIRST_ASYMPTOTE[1] * z[0]
    log_k = np.log(900) + prior.SCALE[0] + prior.SCALE[1] * z[5]
    fall = prior.ASYMPTOTE_FALL[0] + prior.ASYMPTOTE_FALL[1] * z[1]
    rise = prior.SCALE_RISE[0] + prior.SCALE_RISE[1] * z[6]
    c, k = [expit(a)], [np.exp(log_k)]
    for j in range(3):
        a -= (x[j + 1] - x[j]) * np.exp(fall + prior.DEPARTURE * z[2 + j])
        log_k += (x[j + 1] - x[j]) * np.exp(rise + prior.DEPARTURE * z[7 + j])
        c.append(expit(a))
        k.append(np.exp(log_k))
    g = np.exp(prior.EXPONENT[0] + prior.EXPONENT[1] * z[10])
    fitted = []
    for difficulty, budget in zip(d, n, strict=True):
        i = int(np.flatnonzero(difficulty == DIFFICULTIES)[0])
        fitted.append(c[i] + (BASE - c[i]) / (1 + (budget / k[i]) ** g))
    return np.concatenate([(np.array(fitted) - y) / sd, z - centre])


def test_batch_equals_fits_one_by_one_with_scipy():
    rng = np.random.default_rng(3)
    given = runs(rng, seed_sd=0.03) | {"base_risk": BASE, "n_base": None}
    fitted = fit_learning_curves(**given, n_fits=2)
    data, space, sd = fitted.data, fitted.coordinates, np.sqrt(fitted.variance)
    means = data.mean + sd * rng.standard_normal((6, len(data.mean)))
    centre = rng.standard_normal((6, space.size))
    batch = solve(space, data, means, fitted.variance, np.tile(fitted.z, (6, 1)), centre)
    for i in range(6):
        alone = least_squares(
            plain_residuals,
            np.zeros(12),
            args=(data.difficulties[data.place], data.budget, means[i], sd, centre[i]),
            xtol=1e-12,
            ftol=1e-12,
        )
        objective = np.sum(batch.residuals[i] ** 2) + np.sum((batch.x[i] - centre[i]) ** 2)
        # the batch stops at steps that promise 1e-9 of it; in a narrow valley several may remain
        assert objective == pytest.approx(2 * alone.cost, rel=1e-6)
        risk = space.curves(batch.x[i : i + 1]).risk(16 * 2700)[0]
        other = space.curves(alone.x[None]).risk(16 * 2700)[0]
        np.testing.assert_allclose(risk, other, atol=2e-4)


def test_fits_do_not_depend_on_the_order_of_runs():
    given = runs(np.random.default_rng(4))
    order = np.random.default_rng(0).permutation(len(given["risk"]))
    shuffled = {k: v[order] if np.ndim(v) else v for k, v in given.items()}
    a, b = (fit_learning_curves(**g, n_fits=5, seed=7).fits for g in (given, shuffled))
    np.testing.assert_allclose(a.asymptote, b.asymptote, rtol=1e-9)
    other = fit_learning_curves(**given, n_fits=5, seed=8).fits
    assert not np.allclose(a.asymptote, other.asymptote)


WORLDS = 30


@cache
def forecasts(seeds):
    """Fits' risks at 16 times the largest budget, in worlds that differ by their noise."""
    given = (runs(np.random.default_rng([5, i]), seeds=seeds, seed_sd=0.03) for i in range(WORLDS))
    fits = [fit_learning_curves(**g, n_fits=100, seed=i).fits for i, g in enumerate(given)]
    return np.stack([f.risk(16 * 2700) for f in fits])


def coverage(risks):
    """Share of 90 % intervals that hold the truth, over worlds and difficulties."""
    low, high = np.quantile(risks, [0.05, 0.95], axis=1)
    truth = true_risk(DIFFICULTIES, 16 * 2700)
    return np.mean((low <= truth) & (truth <= high))


@pytest.mark.parametrize("seeds", [1, 3, 4])
def test_forecast_intervals_cover(seeds):
    # even if all four difficulties of a world are in step, P(Bin(30, .9) < 22) = .002
    assert coverage(forecasts(seeds)) >= 22 / WORLDS


def test_intervals_a_fifth_as_wide_do_not_cover():
    risks = forecasts(3)
    middle = np.median(risks, axis=1, keepdims=True)
    assert coverage(middle + 0.2 * (risks - middle)) < 22 / WORLDS


def test_one_budget_is_fitted_and_says_what_it_leaves_open():
    given = runs(np.random.default_rng(6), budgets=(900,))
    fitted = fit_learning_curves(**given, n_fits=300)
    assert any("All runs have budget 900" in s for s in fitted.unknown)
    assert any("hardly narrow down the curves' common exponent" in s for s in fitted.unknown)
    near, far = (
        np.ptp(np.quantile(fitted.fits.risk(n), [0.05, 0.95], axis=0), axis=0)
        for n in (900, 16 * 900)
    )
    assert np.all(near < 0.08)
    assert np.all(far > 2 * near)


def test_many_budgets_leave_nothing_open():
    assert fit_learning_curves(**exact_runs(10**4), n_fits=50).unknown == (
        "No cell has two seeds: noise between seeds cannot be told from misfit of the curves, and "
        "all misfit was counted as noise.",
    )


def test_base_that_was_not_measured_is_a_wide_guess():
    given = runs(np.random.default_rng(7)) | {"base_risk": None, "n_base": None}
    fitted = fit_learning_curves(**given, n_fits=200)
    assert any("base model was not measured" in s for s in fitted.unknown)
    assert np.std(fitted.fits.base_risk) > 0.02


def test_scatter_of_seeds_widens_the_fits():
    quiet, loud = (
        fit_learning_curves(**runs(np.random.default_rng(8), seed_sd=sd), n_fits=200)
        for sd in (0.0, 0.15)
    )
    assert loud.seed_correlation > quiet.seed_correlation
    assert np.all(loud.fits.risk(2700).std(axis=0) > quiet.fits.risk(2700).std(axis=0))


def test_scatter_of_single_runs_is_found_in_their_misfit():
    d, n = map(np.ravel, np.meshgrid(np.linspace(0, 1, 8), np.geomspace(30, 3e4, 10)))
    rng = np.random.default_rng(9)
    rho, p = 0.004, true_risk(d, n)
    a = 1 / rho - 1
    risk = rng.binomial(1000, rng.beta(p * a, (1 - p) * a)) / 1000
    fitted = fit_learning_curves(
        difficulty=d, budget=n, risk=risk, n_test=1000, base_risk=BASE, n_fits=2
    )
    # some 65 degrees of freedom: relative standard error √(2/65)·(ρ + .001)/ρ = .22
    assert fitted.seed_correlation == pytest.approx(rho, rel=0.7)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"base_risk": 1.2}, r"`base_risk` must lie in \[0, 1\]"),
        ({"base_risk": 1.0, "n_base": None}, "called exact; give `n_base`"),
        ({"n_base": 0}, "`n_base` must be at least 1"),
        ({"by_seed": True}, "only if each cell has two or more"),
    ],
)
def test_bad_base_or_resampling(change, message):
    given = runs(np.random.default_rng(0), seeds=1)
    with pytest.raises(InputError, match=message):
        fit_learning_curves(**(given | change), n_fits=2)


def test_risks_at_the_edges_are_fitted():
    fitted = fit_learning_curves(
        difficulty=[0, 0, 1, 1],
        budget=[10, 100, 10, 100],
        risk=[1, 0, 1, 0],
        n_test=20,
        base_risk=1.0,
        n_base=20,
        n_fits=50,
    )
    assert np.all(np.isfinite(fitted.fits.risk(1000)))


def departed(rng, spread, seeds=3):
    """Runs of 12 budgets whose cells lie off the curves by independent errors of logit risk."""
    d, n, _ = map(np.ravel, np.meshgrid(DIFFICULTIES, np.geomspace(30, 3e4, 12), range(seeds)))
    off = spread * rng.standard_normal(len(d) // seeds).repeat(seeds)
    risk = expit(logit(true_risk(d, n)) + off)
    return {
        "difficulty": d,
        "budget": n,
        "risk": rng.binomial(2000, risk) / 2000,
        "n_test": 2000,
        "base_risk": BASE,
    }


def test_misfit_is_found_again():
    # some 37 degrees of freedom: relative standard error 1/√(2·37) = .12, and noise a third of it
    for i, spread in enumerate((0.2, 0.5)):
        fitted = fit_learning_curves(**departed(np.random.default_rng([10, i]), spread), n_fits=2)
        assert fitted.misfit == pytest.approx(spread, rel=0.6)
        assert f"standard deviation {fitted.misfit:.2g}" in fitted.assumptions[0]


def test_runs_of_the_family_have_hardly_any_misfit():
    fitted = [
        fit_learning_curves(**runs(np.random.default_rng([11, i])), n_fits=2) for i in range(20)
    ]
    found = np.array([f.misfit for f in fitted])
    # the sum of squares exceeds its expectation in about half
    assert np.mean(found == 0) >= 0.25
    assert np.max(found) < 0.1
    exact = fitted[int(np.argmin(found))]
    assert "by more than noise" not in exact.assumptions[0]


def test_misfit_widens_forecasts_but_is_not_noise():
    given = departed(np.random.default_rng(12), 0.4)
    fitted = fit_learning_curves(**given, n_fits=300)
    data = fitted.data
    noise = data.variance(fitted.coordinates.risk(fitted.z[None], data.place, data.budget)[0][0], 0)
    assert np.all(fitted.variance < 3 * noise)
    spread = np.std(logit(fitted.fits.asymptote), axis=0)
    # each fit's asymptotes are moved by independent normal errors
    assert np.all(spread > fitted.misfit)
    assert not np.all(np.diff(fitted.fits.asymptote, axis=1) <= 0)


def test_single_runs_show_no_misfit_beside_noise():
    given = departed(np.random.default_rng(13), 0.4, seeds=1)
    fitted = fit_learning_curves(**given, n_fits=2)
    assert fitted.misfit == 0
    assert fitted.seed_correlation > 0.01


def test_misfit_is_added_to_runs_resampled_by_seed():
    given = departed(np.random.default_rng(14), 0.4, seeds=4)
    by_seed, pooled = (
        fit_learning_curves(**given, n_fits=300, by_seed=choice).fits.risk(300).std(axis=0)
        for choice in (True, False)
    )
    np.testing.assert_allclose(by_seed, pooled, rtol=0.35)
