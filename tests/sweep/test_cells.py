"""Names, seeds and strata of cells."""

import math

import pytest

from pacbayes.errors import InputError
from pacbayes.sweep.cells import Cell, cells_of, require_own_folders
from pacbayes.sweep.recipe import Recipe
from pacbayes.sweep.strata import edge_rules, label_rules, window_rules

NAN = math.nan


def test_the_grid_is_whole_and_each_cell_has_seeds_of_its_own():
    cells = cells_of(["a", "b"], [20, 10], [0, 1])
    assert len({cell.name for cell in cells}) == len(cells) == 8
    assert [cell.budget for cell in cells] == [10] * 4 + [20] * 4
    seeds = {cell.seed_of(purpose) for cell in cells for purpose in ("subset", "training")}
    assert len(seeds) == 16
    assert all(0 <= seed < 2**32 for seed in seeds)


def test_a_seed_is_a_function_of_the_cell_alone():
    cell = Cell(stratum="3..4", budget=500, seed=1)
    assert cell.seed_of("subset") == Cell(stratum="3..4", budget=500, seed=1).seed_of("subset")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: cells_of(["a"], [0], [0]), "--budgets must be at least 1, got 0"),
        (lambda: cells_of(["a"], [1], [-1]), "--seeds must be at least 0, got -1"),
        (lambda: cells_of(["a"], [1, 1], [0]), "--budgets must differ"),
        (lambda: require_own_folders(["a/b", "a_b"]), "folders of one name"),
        (lambda: window_rules([(3, 4), (4, 5)]), "no difficulty in common"),
        (lambda: window_rules([(4, 3)]), "the lower one first"),
        (lambda: edge_rules([7, 4]), "strictly increasing"),
        (lambda: label_rules([], "level"), "no record of the pool has `level`"),
        (lambda: Recipe(method="half"), "--method must be one of lora, full, got 'half'"),
        (lambda: Recipe(learning_rate=NAN), "--learning-rate is outside its range, got nan"),
        (lambda: Recipe(steps=0), "--steps is outside its range, got 0"),
        (lambda: Recipe(device="auto"), "a sweep needs one device"),
        (lambda: Recipe(delta=1), r"--delta must lie in \(0, 1\), got 1"),
    ],
)
def test_bad_values_are_named(make, message):
    with pytest.raises(InputError, match=message):
        make()
