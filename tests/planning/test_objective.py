"""The certificate objective: its parts, its minimisers and when it warns."""

import math
import subprocess
import sys
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pacbayes import bounds
from pacbayes.errors import InputError
from pacbayes.planning import FORMS, certificate_objective, monotone_limit

D = np.linspace(0, 1, 21)
GOOD = {
    "budgets": [100, 1000],
    "difficulties": D,
    "empirical_risk": 0.05 * np.ones(21),
    "kl": 5 + 40 * D,
    "extrapolation_gap": 0.3 * (1 - D),
}


def test_parts_are_the_bounds_and_add_up():
    for form, bound in (("kl", bounds.seeger_maurer), ("square_root", bounds.pinsker)):
        objective = certificate_objective(**GOOD, form=form, delta=0.1)
        risk = bound(empirical_risk=0.05, kl=GOOD["kl"], n=np.array([[100], [1000]]), delta=0.1)
        assert objective.empirical_risk + objective.generalization_gap == pytest.approx(risk)
        certificate = objective.empirical_risk + objective.generalization_gap
        for row, n in enumerate((100, 1000)):
            for column in (0, 7, 20):
                at = {"empirical_risk": 0.05, "kl": GOOD["kl"][column], "n": n, "delta": 0.1}
                # the smallest number not below the exact value, in ball arithmetic
                assert certificate[row, column] >= bounds.certified(bound.__name__, **at)
        parts = (
            objective.empirical_risk + objective.generalization_gap + objective.extrapolation_gap
        )
        assert np.array_equal(parts, objective.total)
        assert objective.total.shape == (2, 21)


def test_square_root_is_not_capped():
    objective = certificate_objective(**GOOD | {"kl": 1e6}, form="square_root")
    assert np.all(objective.generalization_gap > 1)


def test_rows_columns_and_tables_broadcast():
    table = np.array([[0.1], [0.2]]) + 0 * D
    by_table = certificate_objective(**GOOD | {"empirical_risk": table})
    by_column = certificate_objective(**GOOD | {"empirical_risk": [[0.1], [0.2]]})
    assert np.array_equal(by_table.total, by_column.total)
    number = certificate_objective(**GOOD | {"empirical_risk": 0.05})
    assert np.array_equal(number.total, certificate_objective(**GOOD).total)


def test_all_minimisers_of_a_plateau():
    gap = np.maximum(0.3 - 0.4 * D, 0.1)
    objective = certificate_objective(**GOOD | {"kl": 10.0, "extrapolation_gap": gap})
    flat = D[gap <= 0.1 + 1e-12]
    assert all(np.array_equal(best, flat) for best in objective.optimal_difficulties())
    assert objective.minimisers().sum() == 2 * len(flat)
    assert objective.minimisers(tolerance=1.0).all()


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["kl", "square_root", "bare_square_root"]))
def test_more_data_move_the_optimum_to_harder_data_or_it_warns(seed, form):
    rng = np.random.default_rng(seed)
    budgets = np.unique(np.floor(10 ** rng.uniform(0.5, 5, 30)))
    objective = certificate_objective(
        budgets=budgets,
        difficulties=D,
        empirical_risk=float(rng.choice([0.0, 0.1, 0.3])),
        kl=np.cumsum(rng.exponential(10 ** rng.uniform(-1, 1.5), 21)),
        extrapolation_gap=np.sort(rng.uniform(-0.2, 0.4, 21))[::-1],
        form=form,
    )
    hardest = np.array([best.max() for best in objective.optimal_difficulties()])
    easiest = np.array([best.min() for best in objective.optimal_difficulties()])
    falls = np.any(np.maximum.accumulate(hardest)[:-1] > hardest[1:]) or np.any(
        np.maximum.accumulate(easiest)[:-1] > easiest[1:]
    )
    assert not falls or objective.warnings
    if form == "bare_square_root":
        assert not falls


def test_above_the_limit_the_kl_form_does_reverse():
    # two difficulties, r̂ = 0: the harder one is chosen near 1 and given up as n grows
    n = np.arange(1, 60) * 10
    objective = certificate_objective(
        budgets=n,
        difficulties=[0, 1],
        empirical_risk=0.0,
        kl=[150.0, 300.0],
        extrapolation_gap=[0.2, 0.0],
    )
    best = [row.max() for row in objective.optimal_difficulties()]
    assert best[0] == 1
    assert 0 in best
    assert best[-1] == 1
    assert "more data may move the optimum" in " ".join(objective.warnings)
    # the square-root form of the same world only ever rises
    root = certificate_objective(
        budgets=n,
        difficulties=[0, 1],
        empirical_risk=0.0,
        kl=[150.0, 300.0],
        extrapolation_gap=[0.2, 0.0],
        form="bare_square_root",
    )
    assert np.all(np.diff([row.max() for row in root.optimal_difficulties()]) >= 0)
    assert root.warnings == ()


def test_the_warning_begins_at_the_limit():
    # one difficulty: the bound crosses the limit of r̂ = 0, 1 − 1/e, where the complexity is 1
    at = {"difficulties": [0.0], "empirical_risk": 0.0, "extrapolation_gap": 0.0}
    n = 1000
    rest = float(bounds.log_xi(n)) - math.log(0.05)
    for kl, warned in ((n - rest - 1, False), (n - rest + 1, True)):
        objective = certificate_objective(**at, budgets=[n], kl=kl)
        assert bool(objective.warnings) == warned
        assert (objective.total[0, 0] > 1 - math.exp(-1)) == warned
    vacuous = certificate_objective(**at, budgets=[n], kl=1e6)
    assert "vacuous" in vacuous.warnings[0]


def test_of_a_plateau_the_hardest_choice_is_judged():
    at = {"budgets": [1000], "difficulties": [0, 1], "empirical_risk": 0.0, "kl": [100.0, 1200.0]}
    bare = certificate_objective(**at, extrapolation_gap=0.0).total[0]
    level = certificate_objective(**at, extrapolation_gap=[bare[1] - bare[0], 0.0])
    assert level.minimisers().all()
    assert level.warnings
    easy = certificate_objective(**at, extrapolation_gap=[bare[1] - bare[0] - 1e-6, 0.0])
    assert easy.warnings == ()


def test_limits_of_the_theory():
    assert monotone_limit([0.0, 0.1, 0.3]) == pytest.approx([0.63, 0.70, 0.78], abs=0.005)
    assert monotone_limit(0.0) == pytest.approx(1 - math.exp(-1), abs=1e-9)
    assert monotone_limit(1.0) == 1.0
    assert np.all(np.diff(monotone_limit(np.linspace(0, 1, 50))) > 0)


@pytest.mark.parametrize("risk", [0.0, 0.1, 0.3, 0.6])
def test_limit_is_where_the_gain_per_share_of_data_is_largest(risk):
    # c f′(c) by differences, f the exact inverse
    c = np.geomspace(0.05, 20, 4000)
    f = bounds.binary_kl_inverse_upper(risk, c)
    gain = np.diff(f) / np.diff(np.log(c))
    assert f[np.argmax(gain)] == pytest.approx(monotone_limit(risk), abs=0.01)


def test_two_hundred_budgets_and_a_hundred_difficulties_take_no_time():
    d = np.linspace(0, 1, 100)
    started = time.process_time()
    certificate_objective(
        budgets=np.arange(1, 201) * 100,
        difficulties=d,
        empirical_risk=0.1,
        kl=100 * d,
        extrapolation_gap=0.2 * (1 - d),
    )
    # about 20 ms, with room for a slow and busy machine
    assert time.process_time() - started < 1


def test_planning_and_gaps_do_without_torch():
    code = "import sys, pacbayes.planning, pacbayes.gaps; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"budgets": [0, 100]}, "`budgets` must be at least 1, got 0.0. It counts independent"),
        ({"budgets": [10.5]}, "`budgets` must be a whole number"),
        ({"budgets": 100}, r"`budgets` must have shape \(budgets,\)"),
        ({"difficulties": []}, "at least one, got"),
        ({"difficulties": D[::-1]}, "`difficulties` must rise, by steps above 0"),
        ({"empirical_risk": 5.0}, "Percentages must be divided by 100"),
        ({"empirical_risk": math.nan}, "`empirical_risk` must lie in"),
        ({"kl": [1.0, 2.0]}, r"`kl` must broadcast to \(budgets, difficulties\) = \(2, 21\), got"),
        ({"kl": math.inf}, "`kl` must be finite"),
        ({"kl": -1.0}, "`kl` must be at least 0"),
        ({"extrapolation_gap": 20.0}, r"`extrapolation_gap` must lie in \[-1, 1\]"),
        ({"delta": 0.0}, "`delta` must lie in"),
        ({"form": "pinsker"}, "`form` must be among kl, square_root, bare_square_root, got 'pin"),
    ],
)
def test_bad_arguments(change, message):
    with pytest.raises(InputError, match=message):
        certificate_objective(**GOOD | change)
    with pytest.raises(TypeError):
        FORMS["new"] = FORMS["kl"]
