"""Runs as arrays: what is one difficulty, what the target risk and its error are."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pacbayes.errors import InputError
from pacbayes.plan import Target
from pacbayes.planning.pilots import pilots_of, strata_of, weighted_risk
from pacbayes.planning.target import MEASURED
from pacbayes.runs import Measured
from tests.pilots import DIFFICULTY, TARGET, make_runs

GIVEN = Target(weights=TARGET, path=None, sha256=None, n=None)
RUNS = make_runs()


def test_runs_of_one_mixture_share_a_difficulty():
    pilots = pilots_of(RUNS, GIVEN)
    assert len({run.difficulty for run in RUNS}) == len(RUNS)
    found = sorted(set(pilots.difficulty))
    assert found == pytest.approx(sorted(DIFFICULTY.values()), abs=0.02)


def test_target_risk_is_the_weighted_mean():
    pilots = pilots_of(RUNS, GIVEN)
    run = RUNS[0]
    wanted = sum(weight * run.tests[name].mean for name, weight in TARGET.items())
    assert pilots.target_risk[0] == pytest.approx(wanted)


def test_measured_target_is_taken_without_weights():
    runs = [dataclasses.replace(run, target=Measured(mean=0.25, n=77)) for run in RUNS]
    pilots = pilots_of(runs, MEASURED)
    assert set(pilots.target_risk) == {0.25}
    assert set(pilots.n_target) == {77}
    with pytest.raises(InputError, match=r"budget 1000, seed 0 has no measured `target`.*--target"):
        pilots_of(RUNS, MEASURED)


def test_missing_stratum_is_refused():
    other = dataclasses.replace(GIVEN, weights={"easy": 0.5, "olympiad": 0.5})
    with pytest.raises(InputError, match="target stratum 'olympiad' without data: the run of"):
        pilots_of(RUNS, other)
    # a stratum that the target has nothing of needs none
    pilots_of(RUNS, dataclasses.replace(GIVEN, weights={"easy": 1.0, "olympiad": 0.0}))


def test_base_is_chosen_by_runs_or_by_name():
    other = [
        dataclasses.replace(run, base="large", base_strength=0.5, base_target=None)
        for run in RUNS
        if run.seed == 0
    ]
    assert pilots_of([*other, *RUNS], GIVEN).base == "small"
    large = pilots_of([*other, *RUNS], GIVEN, base="large")
    assert len(large.runs) == len(other)
    # accuracy and exact-match risk add up to 1
    assert large.base_risk == 0.5
    with pytest.raises(InputError, match="no run has the base 'huge'; there are small, large"):
        pilots_of([*other, *RUNS], GIVEN, base="huge")


def test_mixtures_are_left_out_where_single_strata_do():
    mixed = dataclasses.replace(RUNS[0], train_weights={"easy": 0.5, "hard": 0.5}, seed=9)
    assert len(pilots_of([*RUNS, mixed], GIVEN).runs) == len(RUNS)
    only = [r for r in RUNS if "hard" in r.train_weights] + [mixed]
    assert len(pilots_of(only, GIVEN).runs) == len(only)


def test_own_risk_is_that_of_the_training_distribution():
    pilots = pilots_of(RUNS, GIVEN)
    risk, n = pilots.own_risk()
    assert risk[0] == RUNS[0].tests["easy"].mean
    assert set(n.round(6)) == {1000}
    untested = [dataclasses.replace(run, tests={}, target=run.base_target) for run in RUNS]
    assert pilots_of(untested, MEASURED).own_risk() is None


@given(
    means=st.lists(st.floats(0.05, 0.95), min_size=2, max_size=2),
    share=st.floats(0.05, 0.95),
    sizes=st.lists(st.integers(50, 5000), min_size=2, max_size=2),
)
def test_effective_units_give_the_variance_of_the_mean(means, share, sizes):
    tests = {name: Measured(mean=m, n=n) for name, m, n in zip("ab", means, sizes, strict=True)}
    risk, n = weighted_risk(tests, {"a": share, "b": 1 - share}, None)
    w = (share, 1 - share)
    variance = sum(w[i] ** 2 * means[i] * (1 - means[i]) / sizes[i] for i in range(2))
    assert risk == pytest.approx(w[0] * means[0] + w[1] * means[1])
    # half an error more each way: at most a few per cent at these sizes
    assert risk * (1 - risk) / n == pytest.approx(variance, rel=0.25)


def test_counted_weights_widen_the_error_as_simulated():
    # 4000 targets of 300 units: the standard error of a variance is 2.3 %, so that 10 % is 4.4 of
    # them, false alarms below 1e-4
    rng = np.random.default_rng(0)
    tests = {"a": Measured(mean=0.1, n=10**9), "b": Measured(mean=0.9, n=10**9)}
    weights = {"a": 0.3, "b": 0.7}
    counts = rng.binomial(300, 0.3, size=4000) / 300
    simulated = np.var(counts * 0.1 + (1 - counts) * 0.9)
    risk, n = weighted_risk(tests, weights, 300)
    assert risk * (1 - risk) / n == pytest.approx(simulated, rel=0.1)


def test_strata_meet_midway_or_where_told():
    strata = strata_of(RUNS)
    assert [s.name for s in strata] == ["easy", "medium", "hard"]
    assert (strata[0].low, strata[2].high) == (None, None)
    assert strata[0].high == strata[1].low == pytest.approx(4.75, abs=0.02)
    told = strata_of(RUNS, [4.5, 8])
    assert [s.high for s in told] == [4.5, 8, None]
    for edges in ([4.5], [3, 8], [8, 4.5], []):
        with pytest.raises(InputError, match="must lie between the strata's mean difficulties"):
            strata_of(RUNS, edges)
