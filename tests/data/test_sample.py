"""What `read_sample` tells its reader: notes on the cut, and what it takes for granted."""

import json
import random

import pytest

from pacbayes.data.sample import read_sample

SENTENCE = "how many apples has each of the {} children when {} are shared among them all equally"


@pytest.fixture
def write(tmp_path):
    def write(name, difficulties, **more):
        rng = random.Random(name)
        lines = [
            {"prompt": f"{rng.random()}", "completion": "c", "difficulty": d} | more
            for d in difficulties
        ]
        path = tmp_path / f"{name}.jsonl"
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        return path

    return write


def test_quantiles_that_tie(write):
    sample = read_sample([write("a", [1, 1, 1, 2])], k=3)
    assert [part.n for part in sample.strata] == [3, 1]
    (note,) = sample.notes
    assert note.startswith("2 strata of 3, 1 units, not 3")
    assert "quantiles of the sample's own difficulties" in sample.assumptions[1]
    assert "not scored with a model that was trained on" in sample.assumptions[2]


def test_held_out_data_is_cut_at_the_same_edges(write):
    sample = read_sample([write("a", range(10))], held_out=[write("b", [0, 9, 20])], k=2)
    assert [(part.name, part.n) for part in sample.held_out] == [
        ("difficulty<=4", 1),
        ("difficulty>4", 2),
    ]


def test_edges_read_off_the_sample_are_its_quantiles(write):
    rng = random.Random(1)
    path = write("a", [rng.random() for _ in range(301)])
    before = read_sample([path], edges=[0.3, 0.6])
    assert before.assumptions[1] == (
        "Stratum edges were chosen without looking at labels or losses."
    )
    by_quantiles = read_sample([path], k=3)
    edges = [max(r.difficulty for u in part.units for r in u) for part in by_quantiles.strata[:2]]
    assert read_sample([path], edges=edges).assumptions == by_quantiles.assumptions


def test_few_distinct_difficulties_are_cut_at_quantiles_by_chance(write):
    path = write("a", [1, 2, 3, 4] * 50)
    assert "without looking" in read_sample([path], edges=[2]).assumptions[1]


def test_levels(write):
    path = write("a", [2, 1, 1])
    assert [p.name for p in read_sample([path], levels="difficulty").strata] == [
        "difficulty=1",
        "difficulty=2",
    ]
    labelled = [write(name, [1, 2], level=name) for name in ("x", "y")]
    both = path.with_name("both.jsonl")
    both.write_bytes(b"".join(p.read_bytes() for p in labelled))
    sample = read_sample([both], levels="level")
    assert [(p.name, p.n) for p in sample.strata] == [("x", 2), ("y", 2)]
    assert sample.assumptions[1] == "A record's `level` was given without looking at its loss."


def test_near_prompts_across_files(write, tmp_path):
    data, held = write("a", [1, 2]), write("b", [1, 2])
    for path, count in ((data, "12"), (held, "13")):
        line = {"prompt": SENTENCE.format(count, "many"), "completion": count, "difficulty": 1}
        path.write_text(path.read_text() + json.dumps(line) + "\n")
    sample = read_sample([data], held_out=[held])
    (note,) = sample.notes
    assert note.startswith("1 of 3 records of --held-out have nearly the prompt of a record of")
    assert "b.jsonl:3); if they are copies, the held-out bounds are too low." in note
    (note,) = read_sample([data], prior_data=[held]).notes
    assert note.endswith("if they are copies, the prior has seen the data.")


def test_duplicates_are_an_assumption(write):
    path = write("a", [1, 2])
    path.write_text(path.read_text() * 2)
    sample = read_sample([path])
    assert sample.duplicates.n_if_copies == 2
    assert sample.notes[0].startswith("of 4 units 2 repeat an earlier one")
    assert sample.assumptions[-1] == f"O{sample.notes[0][1:]}"


def test_noise_of_pass_rates(tmp_path):
    def written(difficulty):
        path = tmp_path / "d.jsonl"
        lines = [
            {"text": f"t{i}", "difficulty": difficulty(i % 9), "pass_rate": {"k": i % 9, "m": 8}}
            for i in range(90)
        ]
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        return path

    sample = read_sample([written(lambda k: 1 - k / 8)], edges=[0.3, 0.6])
    (note,) = sample.notes
    assert sample.assumptions[-1] == f"D{note[1:]}"
    assert note.startswith("difficulties are pass rates of 8 samples, with a standard deviation")
    assert "the strata are those of the measured rates" in note
    # a difficulty on another scale says nothing about where true rates lie
    assert read_sample([written(lambda k: 2.0 * k)], edges=[3, 6]).notes == ()
    assert read_sample([written(lambda k: 1 - k / 8)]).notes == ()
