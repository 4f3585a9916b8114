"""The joint certificate is the bound of the catalogue; what was not seen counts in full."""

import numpy as np
import pytest

from pacbayes.bounds import joint_kl, joint_kl_lower, mixture_log_wealth, seeger_maurer
from pacbayes.errors import InputError
from pacbayes.planning.mixtures import (
    certify_fixed_mixture,
    certify_mixture,
    forecast_certificate,
)

GIVEN = {
    "weights": [0.2, 0.3, 0.5],
    "empirical_risk": [0.05, 0.1, 0.3],
    "n": [3000, 2000, 1000],
    "kl": 150.0,
    "delta": 0.05,
}


def test_it_is_joint_kl():
    found = certify_mixture(**GIVEN)
    same = {k: GIVEN[k] for k in ("empirical_risk", "n", "kl", "delta")}
    high = joint_kl(coefficients=GIVEN["weights"], **same)
    assert high <= found.value <= high * (1 + 1e-15)
    assert found.interval == (joint_kl_lower(coefficients=GIVEN["weights"], **same), found.value)
    assert found.status == "certificate"
    assert found.n_effective == pytest.approx(1 / (0.04 / 3000 + 0.09 / 2000 + 0.25 / 1000))
    # KL once is less than KL for each
    apart = seeger_maurer(
        empirical_risk=np.array(GIVEN["empirical_risk"]),
        kl=150.0,
        n=np.array(GIVEN["n"]),
        delta=0.05 / 3,
    )
    assert found.value < apart @ np.array(GIVEN["weights"])


def test_a_single_stratum_is_the_plain_bound():
    found = certify_mixture(weights=[1], empirical_risk=[0.02], n=[30000], kl=300.0, delta=0.05)
    assert found.value == pytest.approx(0.046981242, abs=1e-9)


def test_strata_without_units_count_with_risk_one():
    found = certify_mixture(**{**GIVEN, "n": [3000, 0, 1000]})
    seen = joint_kl(
        coefficients=[0.2, 0.5], empirical_risk=[0.05, 0.3], n=[3000, 1000], kl=150.0, delta=0.05
    )
    assert seen + 0.3 <= found.value <= (seen + 0.3) * (1 + 1e-15)
    assert found.n_effective == 0
    assert "30% of its weight is on strata without data" in found.statement


def test_fixed_weights_use_the_losses():
    rng = np.random.default_rng(0)
    losses = [rng.beta(2, 8, 1500), [], rng.beta(4, 8, 900)]
    found = certify_fixed_mixture(weights=[0.5, 0, 0.5], losses=losses, kl=50.0, delta=0.05)
    straight = mixture_log_wealth(
        weights=[0.5, 0.5], losses=[losses[0], losses[2]], kl=50.0, delta=0.05
    )
    assert straight <= found.value <= straight * (1 + 1e-15)
    assert found.bound == "mixture_log_wealth"
    assert found.interval is None
    means = [np.mean(losses[0]), 0.0, np.mean(losses[2])]
    other = certify_mixture(
        weights=[0.5, 0, 0.5], empirical_risk=means, n=[1500, 0, 900], kl=50.0, delta=0.05
    )
    assert found.value < other.value


def test_only_strata_that_were_not_seen():
    found = certify_fixed_mixture(weights=[0, 1], losses=[[0.1], []], kl=1.0, delta=0.05)
    assert found.value == 1


def test_forecast_is_of_the_certificate_and_says_so():
    risk, kl = np.tile([0.1, 0.2], (7, 1)), np.tile([30.0, 90.0], (7, 1))
    found = forecast_certificate(
        weights=[0.5, 0.5],
        train_weights=[0.25, 0.75],
        budget=4001,
        empirical_risk=risk,
        kl=kl,
        delta=0.05,
    )
    made = certify_mixture(
        weights=[0.5, 0.5], empirical_risk=[0.1, 0.2], n=[1000, 3001], kl=75.0, delta=0.05
    )
    assert found.status == "forecast"
    assert found.value == pytest.approx(made.value, rel=1e-12)
    assert found.interval == pytest.approx((made.value, made.value), rel=1e-12)
    assert "no guarantee before it is made" in found.statement


def test_forecast_interval_widens_with_the_fits():
    rng = np.random.default_rng(1)
    risk = np.clip(0.2 + 0.05 * rng.normal(size=(300, 2)), 0, 1)
    found = forecast_certificate(
        weights=[0.5, 0.5],
        train_weights=[0.5, 0.5],
        budget=1000,
        empirical_risk=risk,
        kl=np.full((300, 2), 20.0),
        delta=0.05,
    )
    low, high = found.interval
    assert high - low > 0.05
    assert low < found.value < high


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"weights": [1, 2, 3]}, "counts instead of shares"),
        ({"n": [0, 0, 0]}, "not all 0"),
        ({"n": [10.5, 1, 1]}, "`n` must be a whole number"),
        ({"n": [10, 10]}, "`n` must count the units"),
        ({"empirical_risk": [5, 10, 20]}, "Percentages"),
        ({"kl": -1.0}, "`kl` must be at least 0"),
        ({"delta": 0.0}, "`delta` must lie"),
    ],
)
def test_bad_input(change, text):
    with pytest.raises(InputError, match=text):
        certify_mixture(**{**GIVEN, **change})


def test_bad_input_of_the_others():
    with pytest.raises(InputError, match="`losses` must lie"):
        certify_fixed_mixture(weights=[1], losses=[[2.0]], kl=1.0, delta=0.1)
    with pytest.raises(InputError, match="one shape"):
        forecast_certificate(
            weights=[1],
            train_weights=[1],
            budget=10,
            empirical_risk=[0.1],
            kl=[1.0],
            delta=0.1,
        )
    with pytest.raises(InputError, match="`budget` must be at least 1"):
        forecast_certificate(
            weights=[1],
            train_weights=[1],
            budget=0,
            empirical_risk=[[0.1]],
            kl=[[1.0]],
            delta=0.1,
        )
