"""Excess over the best difficulty: exact without noise, and not biased by choosing among noise."""

import numpy as np
import pytest

from benchmarks.empirics.excess import best_of, excesses
from tests.empirics.grids import choices, hand_made_grid

RISK = [[0.5, 0.4], [0.3, 0.2], [0.6, 0.1]]


def test_without_noise_it_is_exact():
    grid = hand_made_grid([*RISK, [0.24, 0.12]], mixtures=("practitioner",))
    found = excesses(grid, choices(plan=[1, 2], easiest=[0, 0]), {}, [100])
    by_way = {each.way: each for each in found}
    assert by_way["plan"].mean_relative.value == pytest.approx(0)
    assert by_way["easiest"].absolute == pytest.approx([0.2, 0.3])
    assert by_way["easiest"].mean_relative.value == pytest.approx((0.2 / 0.3 + 3) / 2)
    assert by_way["easiest"].beyond.value == pytest.approx(3)
    assert by_way["random"].absolute == pytest.approx([1.4 / 3 - 0.3, 0.7 / 3 - 0.1])
    assert by_way["mixture: practitioner"].relative == pytest.approx([-0.2, 0.2])
    assert best_of(grid).place.tolist() == [1, 2]


def test_a_pilot_is_judged_by_a_seed_that_did_not_choose_it():
    grid = hand_made_grid(RISK)
    chosen = choices(plan=[1, 2])
    without = {seed: choices(plan=[0, 0] if seed == 0 else [1, 2]) for seed in range(3)}
    (plan, *_) = excesses(grid, chosen, without, [100])
    # at the pilots' budget seed 0 is judged by what the others chose; beyond it nothing changes
    assert plan.risk == pytest.approx([(0.5 + 0.3 + 0.3) / 3, 0.1])


def test_equal_difficulties_have_no_excess():
    """Six equally good strata: the mean excess of one of them is 0, where the plain least errs.

    Means over 50 grids of four budgets; 5 standard errors have a false-alarm probability of 1e-5.
    """
    rng = np.random.default_rng(1)
    fair, naive = [], []
    for _ in range(50):
        grid = hand_made_grid(np.full((6, 4), 0.5), scatter=0.02, rng=rng)
        (plan, *_) = excesses(grid, choices(plan=[0, 0, 0, 0]), {}, [])
        fair.append(plan.absolute.mean())
        naive.append((plan.risk - best_of(grid).risk).mean())
    error = np.std(fair, ddof=1) / 50**0.5
    assert abs(np.mean(fair)) < 5 * error
    assert np.mean(naive) > 10 * error


def test_a_mixture_that_was_not_run_everywhere_counts_where_it_was():
    grid = hand_made_grid([*RISK, [0.24, np.nan]], mixtures=("all",))
    *_, found = excesses(grid, choices(plan=[1, 2]), {}, [100])
    assert found.mean_relative.value == pytest.approx(-0.2)
    assert np.isnan(found.beyond.value)


def test_the_set_has_the_best_difficulty():
    """It is left out with probability .1 at most; 35 of 200 have probability below .001."""
    rng = np.random.default_rng(4)
    risk = [[0.5], [0.3], [0.305], [0.31]]
    grids = [hand_made_grid(risk, scatter=0.01, rng=rng) for _ in range(200)]
    inside = np.array([best_of(grid).may_be_best[0] for grid in grids])
    assert np.sum(~inside[:, 1]) <= 35
    assert not inside[:, 0].any()
