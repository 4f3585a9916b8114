"""In worlds with a known answer advice to mix does no harm, and gains where runs bear it out.

`benchmarks/mixtures.py` has many more of them.
"""

import numpy as np
import pytest

from benchmarks.mixtures import excesses
from benchmarks.perceptron.worlds import PERCEPTRONS
from benchmarks.worlds import MISSPECIFIED, parametric_world

WORLDS = {
    **{f"parametric {i}": parametric_world(i) for i in (2, 3, 4)},
    "backfire": MISSPECIFIED["backfire"](1),
    "weak probe": PERCEPTRONS["weak probe"](),
}


@pytest.fixture(scope="module")
def found():
    return {
        name: dict(excesses(world, seed=0, n_fits=60, by_stratum=False))
        for name, world in WORLDS.items()
    }


def test_never_worse_than_the_single_stratum_by_more_than_a_hundredth(found):
    for rows in found.values():
        for row in rows.values():
            assert row["over_single"] <= 0.01
            assert row["checked_over_single"] <= 0.01


def test_the_bold_rule_unchecked_would_be(found):
    worst = max(row["bold_searched_over_single"] for row in found["backfire"].values())
    assert worst > 0.1


def test_runs_on_mixtures_gain_where_mixing_helps(found):
    gains = [
        row["checked_over_single"]
        for name, rows in found.items()
        if name.startswith("parametric")
        for row in rows.values()
    ]
    assert np.mean(gains) < -0.03
