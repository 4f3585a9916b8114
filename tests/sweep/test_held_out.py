"""Tests kept apart from what is trained on."""

import json

import numpy as np
import pytest

from pacbayes.data.pool import read_pool
from pacbayes.data.records import read_jsonl
from pacbayes.errors import InputError
from pacbayes.sweep.held_out import Without, apart_from, count_tests, split_by_hash, write_tests
from pacbayes.sweep.strata import edge_rules, label_rules


def write(path, records):
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def record(i, **more):
    return {"prompt": f"p{i}", "completion": "c", "difficulty": i % 10, **more}


def test_a_split_depends_on_the_units_alone(tmp_path):
    records = [record(i, group=f"g{i // 2}") for i in range(2000)]
    there = read_pool(write(tmp_path / "a.jsonl", records))
    back = read_pool(write(tmp_path / "b.jsonl", records[::-1]))

    def prompts(pool):
        held_out, _ = split_by_hash(pool, 0.2)
        lines = pool.lines_of(np.flatnonzero(np.isin(pool.units, held_out)))
        return {json.loads(line)["prompt"] for line in lines}

    assert prompts(there) == prompts(back)
    # whole groups; 1000 units at .2 each: 5 standard deviations are .063, missed once in 2e6
    found = {int(prompt[1:]) for prompt in prompts(there)}
    assert {i ^ 1 for i in found} == found
    assert abs(len(found) / 2000 - 0.2) < 0.063


def test_units_that_share_a_text_with_a_test_are_not_trained_on(tmp_path):
    copies = [record(i // 2, group=f"g{i}") for i in range(400)]
    mixed = [record(i, group=f"h{i}") for i in range(200)]
    pool = read_pool(write(tmp_path / "pool.jsonl", [*copies, *mixed]))
    held_out, aside = split_by_hash(pool, 0.3)
    assert set(held_out) <= set(aside)
    left = np.isin(pool.units, aside, invert=True)
    tested = np.isin(pool.units, held_out)
    assert not set(pool.texts[left]) & set(pool.texts[tested])


def test_what_is_set_aside_is_not_chosen(tmp_path):
    pool = read_pool(write(tmp_path / "pool.jsonl", map(record, range(100))))
    rule = edge_rules([4])["..4"]
    aside = np.arange(0, 100, 3)
    (candidates,) = Without(rule=rule, units=aside).candidates(pool, seed=1)
    assert set(candidates.units) == {i for i in range(100) if i % 10 <= 4 and i % 3}


def test_tests_are_cut_into_the_strata_of_the_pool(tmp_path):
    path = write(tmp_path / "t.jsonl", [record(i, level="ab"[i % 2]) for i in range(10)])
    for rules, field in ((edge_rules([4]), "stratum"), (label_rules(["a", "b"], "level"), "level")):
        pool = read_pool(path, stratum_field=field)
        pools = [(pool, np.arange(pool.n_units))]
        assert count_tests(pools, rules) == 10
        paths = {name: tmp_path / field / f"{name}.jsonl" for name in rules}
        write_tests(pools, rules, paths)
        assert [len(read_jsonl(path)) for path in paths.values()] == [5, 5]


def test_a_stratum_without_tests_is_named(tmp_path):
    pool = read_pool(write(tmp_path / "t.jsonl", [record(1, level="a")]), stratum_field="level")
    with pytest.raises(InputError, match="stratum 'b' has no units to test on"):
        count_tests([(pool, np.arange(1))], label_rules(["a", "b"], "level"))


@pytest.mark.parametrize(
    ("mine", "message"),
    [
        (record(1), "pool.jsonl:2: the same text as .*test.jsonl:1"),
        (record(7, group="g"), "pool.jsonl:2: the same group 'g' as .*test.jsonl:1"),
    ],
)
def test_a_test_in_the_pool_is_refused(tmp_path, mine, message):
    test = write(tmp_path / "test.jsonl", [record(1, group="g")])
    pool = write(tmp_path / "pool.jsonl", [record(2), mine])
    with pytest.raises(InputError, match=message):
        read_pool(pool, check=apart_from([test]))


def test_a_share_outside_its_range_is_named(tmp_path):
    pool = read_pool(write(tmp_path / "pool.jsonl", [record(1)]))
    with pytest.raises(InputError, match="--held-out-share must lie in"):
        split_by_hash(pool, 1.0)
