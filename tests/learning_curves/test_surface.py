import numpy as np
import pytest

from pacbayes.errors import InputError
from pacbayes.learning_curves import fit_transfer_surface

STRATA = np.array([0.0, 0.5, 1.0])
BASE = np.array([0.5, 0.7, 0.9])
TARGET = [0.2, 0.3, 0.5]


def true_risk(d, n):
    """Training far from a stratum leaves more risk on it: the order in d depends on the stratum."""
    d = np.asarray(d)[..., None]
    floor = 0.1 + 0.3 * STRATA + 0.3 * np.abs(d - STRATA)
    return floor + (BASE - floor) / (1 + (n / (80 * np.exp(d))) ** 0.9)


def surface(n_fits=100):
    rng = np.random.default_rng(0)
    d, n, _ = map(np.ravel, np.meshgrid(STRATA, [200, 800, 3200], range(3)))
    risks = rng.binomial(2000, true_risk(d, n[:, None])) / 2000
    return fit_transfer_surface(
        difficulty=d,
        budget=n,
        risks=risks,
        n_tests=[2000, 2000, 2000],
        base_risks=BASE.tolist(),
        n_base=[None] * 3,
        n_fits=n_fits,
    )


def test_signed_gap_is_found_again():
    gap = surface().extrapolation_gap(
        difficulties=STRATA, budget=3200, target_weights=TARGET, train_weights=np.eye(3)
    )
    risk = true_risk(STRATA, 3200)
    truth = risk @ TARGET - np.diag(risk)
    # the standard error of each measured risk is about .006
    np.testing.assert_allclose(np.median(gap, axis=0), truth, atol=0.03)
    assert truth.min() < 0 < truth.max()


def test_mixtures_weigh_the_strata_they_consist_of():
    fitted = surface(n_fits=4)
    w = np.array([[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]])
    gap = fitted.extrapolation_gap(
        difficulties=[0.25, 1.0], budget=100, target_weights=TARGET, train_weights=w
    )
    risk = fitted.risk([0.25, 1.0], 100)
    assert risk.shape == (4, 2, 3)
    np.testing.assert_allclose(gap[:, 0], risk[:, 0] @ TARGET - risk[:, 0, :2].mean(axis=1))
    np.testing.assert_allclose(gap[:, 1], risk[:, 1] @ TARGET - risk[:, 1, 2])


def test_training_on_the_target_leaves_no_gap():
    gap = surface(n_fits=4).extrapolation_gap(
        difficulties=[0.5], budget=100, target_weights=TARGET, train_weights=[TARGET]
    )
    np.testing.assert_allclose(gap, 0, atol=1e-15)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"target_weights": [0.5, 0.5]}, r"`target_weights` must have shape \(3,\), got \(2,\)"),
        ({"target_weights": [0.5, 0.5, 0.5]}, "sum to 1"),
        ({"train_weights": [[1.5, -0.5, 0]]}, "`train_weights` must be at least 0"),
    ],
)
def test_bad_weights(change, message):
    given = {"target_weights": TARGET, "train_weights": [[1.0, 0, 0]]} | change
    with pytest.raises(InputError, match=message):
        surface(n_fits=2).extrapolation_gap(difficulties=[0.0], budget=10, **given)


def test_strata_that_do_not_agree_in_number():
    with pytest.raises(InputError, match="one column for each entry"):
        fit_transfer_surface(
            difficulty=[0, 1], budget=[5, 5], risks=[[0.1], [0.2]], n_tests=[10],
            base_risks=[0.5, 0.5], n_base=[None, None],
        )
