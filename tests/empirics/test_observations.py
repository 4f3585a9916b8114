"""Verdicts from grids made by hand."""

import numpy as np
import pytest

from benchmarks.empirics.observations import (
    NOT,
    OPEN,
    REPRODUCED,
    dropping,
    inverted_u,
    stronger_base_moves_harder,
)
from tests.empirics.grids import hand_made_grid

U = [[0.5, 0.5], [0.3, 0.5], [0.5, 0.3]]


def test_an_inverted_u_at_one_budget_is_enough():
    found = inverted_u(hand_made_grid(U, scatter=0.005))
    assert found.verdict == REPRODUCED
    assert found.value.value == pytest.approx(0.2, abs=0.02)
    assert inverted_u(hand_made_grid(U[::-1][:1] * 3, scatter=0.2)).verdict == OPEN
    assert inverted_u(hand_made_grid(np.sort(U, axis=0)[::-1], scatter=0.003)).verdict == NOT


def test_two_strata_have_no_interior():
    found = inverted_u(hand_made_grid(U[:2]))
    assert found.verdict == OPEN
    assert found.parts == ()


def test_equal_difficulties_seldom_make_an_inverted_u():
    """A false alarm has probability .05 over all budgets; 12 of 100 have probability below .005."""
    rng = np.random.default_rng(2)
    grids = [hand_made_grid(np.full((5, 3), 0.5), scatter=0.02, rng=rng) for _ in range(100)]
    assert sum(inverted_u(grid).verdict == REPRODUCED for grid in grids) <= 12


@pytest.mark.parametrize(
    ("without", "verdict"),
    [([0.35, 0.45], REPRODUCED), ([0.45, 0.35], NOT), ([0.4, 0.4], OPEN)],
)
def test_dropping_the_hardest(without, verdict):
    risk = [[0.4, 0.4]] * 3 + [[0.4, 0.4], without]
    grid = hand_made_grid(risk, scatter=0.005, mixtures=("all", "without_hardest"))
    assert dropping(grid, "hardest").verdict == verdict


def test_dropping_the_easiest_is_the_reverse():
    risk = [[0.4, 0.4]] * 3 + [[0.4, 0.4], [0.45, 0.35]]
    grid = hand_made_grid(risk, scatter=0.005, mixtures=("all", "without_easiest"))
    found = dropping(grid, "easiest")
    assert found.verdict == REPRODUCED
    assert [part.found.value > 0 for part in found.parts] == [True, True]
    assert dropping(grid, "hardest").verdict == OPEN


def test_a_stronger_base():
    weak = hand_made_grid([[0.2, 0.3], [0.3, 0.2], [0.5, 0.5]], scatter=0.003)
    strong = hand_made_grid([[0.5, 0.5], [0.2, 0.3], [0.3, 0.2]], scatter=0.003)
    found = stronger_base_moves_harder(weak, strong)
    assert (found.verdict, found.value.value) == (REPRODUCED, 1.0)
    assert stronger_base_moves_harder(strong, weak).verdict == NOT
    assert stronger_base_moves_harder(weak, weak).verdict == NOT
