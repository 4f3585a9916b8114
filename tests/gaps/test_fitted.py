import math

import numpy as np
import pytest

from pacbayes.errors import InputError
from pacbayes.gaps import fitted, fitted_gaps


def surface(seed=0, replicates=200, shape=(3, 4)):
    """Risks with an error common to target and training, and a small one of the target's own."""
    rng = np.random.default_rng(seed)
    target, train = rng.uniform(0.3, 0.5, shape), rng.uniform(0.3, 0.5, shape)
    common = rng.uniform(-0.2, 0.2, (replicates, *shape))
    own = rng.uniform(-0.01, 0.01, (replicates, *shape))
    return {
        "target_risk": target,
        "train_risk": train,
        "target_replicates": target + common + own,
        "train_replicates": train + common,
    }


def test_common_errors_cancel_and_the_unpaired_twin_is_wide():
    at = surface()
    gaps = fitted_gaps(**at, level=0.9)
    assert gaps.estimate == pytest.approx(at["target_risk"] - at["train_risk"])
    assert np.all(gaps.high - gaps.low <= 0.02)
    unpaired = fitted_gaps(**at | {"train_replicates": at["train_replicates"][::-1]})
    assert np.all(unpaired.high - unpaired.low > 0.2)


def test_quantiles_are_those_of_the_sorted_differences():
    at = surface(replicates=101, shape=())
    gap = fitted(**at, level=0.9)
    ordered = np.sort(at["target_replicates"] - at["train_replicates"])
    assert gap.interval == pytest.approx((ordered[5], ordered[95]))
    assert (gap.status, gap.model) == ("forecast", "fitted")
    assert gap.delta == pytest.approx(0.1)


def test_entries_are_their_own_gaps():
    at = surface()
    one = {name: values[..., 1, 2] for name, values in at.items()}
    assert fitted_gaps(**at).at(1, 2) == fitted(**one)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"target_risk": [[30.0]]}, "`target_risk` must be predicted risks in"),
        ({"train_risk": math.nan}, "`train_risk` must be finite"),
        ({"train_risk": 0.1}, "replicates must have shape"),
        ({"level": 1.0}, "`level` must lie in"),
        ({"target_replicates": np.ones((5, 3, 4))}, "replicates must have shape"),
    ],
)
def test_bad_arguments(change, message):
    with pytest.raises(InputError, match=message):
        fitted_gaps(**surface() | change)
    with pytest.raises(InputError, match="at least two replicates"):
        fitted_gaps(**surface(replicates=1))
