"""Setting up a sweep: strata of labels, and folders that are not this sweep's."""

import json

import pytest

from pacbayes.errors import InputError
from pacbayes.sweep.cells import cells_of
from pacbayes.sweep.recipe import Recipe
from pacbayes.sweep.samples import read_drawn
from pacbayes.sweep.study import Inputs, require_enough, set_up


@pytest.fixture
def inputs(checkpoints, tmp_path):
    """Strata by a label, two records in a group."""
    pool = tmp_path / "pool.jsonl"
    records = [
        {
            "prompt": f"p{i}",
            "completion": "c",
            "difficulty": i % 3,
            "group": i // 2,
            "level": f"Level {1 + i // 2 % 2}",
        }
        for i in range(400)
    ]
    pool.write_text("".join(json.dumps(record) + "\n" for record in records))
    return Inputs(
        base=checkpoints / "base",
        pool=pool,
        rules=None,
        strata_levels="level",
        mixtures={},
        test=(),
        held_out_share=0.25,
        target=None,
        recipe=Recipe(),
    )


def test_labels_are_strata_and_groups_count_once(inputs, tmp_path):
    ready = set_up(inputs, tmp_path / "out")
    assert list(ready.study.rules) == ["Level 1", "Level 2"]
    ready.write()
    tests = [json.loads(line) for p in ready.study.tests.values() for line in p.open()]
    assert len(tests) == 2 * ready.n_tests
    candidates = [
        ready.study.rule(name).candidates(ready.study.pool, seed=0) for name in ready.study.rules
    ]
    left = sum(len(found.units) for (found,) in candidates)
    assert left + ready.n_tests == 200
    path = ready.study.tests["Level 1"]
    whole = read_drawn(
        path,
        ["Level 1"] * len(path.read_text().splitlines()),
        order=list(ready.study.rules),
        label_field="level",
        split_by_hash=True,
    )
    assert [part.name for part in whole.strata] == ["Level 1"]
    assert whole.strata[0].n == whole.strata[0].n_records // 2
    assert "A record's `level` was given without looking at its loss." in whole.assumptions


def test_a_budget_counts_units(inputs, tmp_path):
    study = set_up(inputs, tmp_path / "out").study
    with pytest.raises(
        InputError, match=r"stratum 'Level 1' has \d+ units to train on, fewer than"
    ):
        require_enough(study, cells_of(list(study.rules), [150], [0]))


def test_a_folder_of_something_else_is_refused(inputs, tmp_path):
    with pytest.raises(InputError, match=r"is not empty and has no sweep\.json"):
        set_up(inputs, tmp_path)
    out = tmp_path / "out"
    out.mkdir()
    (out / "sweep.json").write_text("{")
    with pytest.raises(InputError, match=r"sweep\.json: cannot be read"):
        set_up(inputs, out)
    (out / "sweep.json").write_text("[]")
    with pytest.raises(InputError, match="is of a sweep with another `schema`"):
        set_up(inputs, out)


def test_the_same_inputs_are_the_same_sweep(inputs, tmp_path):
    out = tmp_path / "out"
    set_up(inputs, out).write()
    before = (out / "sweep.json").read_bytes()
    set_up(inputs, out).write()
    assert (out / "sweep.json").read_bytes() == before
    inputs.pool.write_text(inputs.pool.read_text() + '{"text": "t", "difficulty": 1}\n')
    with pytest.raises(InputError, match="is of a sweep with another `pool`"):
        set_up(inputs, out)
