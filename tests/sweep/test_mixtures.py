"""Cells on mixtures of strata: what they are trained and certified on, and their folders."""

import json
import random
import shutil
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest

from pacbayes.certificate import Certificate
from pacbayes.data.pool import read_pool
from pacbayes.data.records import read_jsonl
from pacbayes.errors import InputError
from pacbayes.planning.pilots import pilots_of
from pacbayes.planning.subset import strata_of_records, write_subset
from pacbayes.planning.target import MEASURED
from pacbayes.runs import read_runs
from pacbayes.sweep.cells import cells_of
from pacbayes.sweep.mixtures import MixtureOfRules, checked
from pacbayes.sweep.recipe import Recipe
from pacbayes.sweep.samples import read_drawn
from pacbayes.sweep.strata import edge_rules, window_rules
from pacbayes.sweep.study import Inputs, require_enough, set_up

WINDOWS = window_rules([(3, 4), (5, 10)])
MIX = "both:3..4=.25,5..10=.75"
CELL = "both-16-0"


@pytest.mark.parametrize(
    ("mixtures", "message"),
    [
        ({"3..4": {"3..4": 0.5, "5..10": 0.5}}, "--mix '3..4': there is a stratum of this name"),
        ({"m": {"3..4": 0.5, "hard": 0.5}}, "--mix 'm': there is no stratum 'hard'; there are"),
        ({"m": {"3..4": 0.5, "5..10": 0.6}}, "--mix 'm': the weights .* sum to 1, .* to 1.1"),
        ({"m": {"3..4": 1.5, "5..10": -0.5}}, "weight of stratum '5..10' must be at least 0"),
        ({"m": {"3..4": 1.0, "5..10": 0.0}}, "--mix 'm' is of one stratum, which has cells"),
        (
            {"a": {"3..4": 0.5, "5..10": 0.5}, "b": {"5..10": 0.5, "3..4": 0.5}},
            "--mix 'b' and 'a' have the same weights",
        ),
    ],
)
def test_what_is_no_mixture_is_named(mixtures, message):
    with pytest.raises(InputError, match=message):
        checked(mixtures, WINDOWS)


def test_strata_keep_their_order_and_those_without_weight_are_left_out():
    rules = edge_rules([1, 2])
    found = checked({"m": {"2..": 0.5, "..1": 0.5, "1..2": 0}}, rules)
    assert list(found["m"].items()) == [("..1", 0.5), ("2..", 0.5)]


@pytest.fixture
def grouped(tmp_path):
    """Groups of three, whose mean difficulties lie at the edge .3 or just beside it."""
    path = tmp_path / "pool.jsonl"
    draw = random.Random(0)
    lines = []
    for group in range(300):
        values = draw.choice([(0.2, 0.3, 0.4), (0.4, 0.2, 0.3), (0.1, 0.1, 0.1), (0.9, 0.9, 0.3)])
        for i, value in enumerate(draw.sample(values, 3)):
            record = {"prompt": f"{group} {i}", "completion": "c", "difficulty": value}
            lines.append(json.dumps({**record, "group": f"g{group}"}) + "\n")
    path.write_text("".join(draw.sample(lines, len(lines))))
    return path


def test_records_are_in_the_stratum_that_they_were_drawn_for(grouped, tmp_path):
    rules = edge_rules([0.3])
    weights = {"..0.3": 0.25, "0.3..": 0.75}
    rule = MixtureOfRules(weights=weights, rules=rules)
    pool, out = read_pool(grouped), tmp_path / "train.jsonl"
    report = write_subset(pool, rule, 41, out, seed=7)
    strata = strata_of_records(pool, rule, 41, seed=7)
    records = read_jsonl(out)
    assert len(strata) == len(records) == 3 * 41
    sample = read_drawn(out, strata, order=list(rules), label_field=None, split_by_hash=False)
    # .25 and .75 of 41 are 10.25 and 30.75
    assert [(part.name, part.n, part.n_records) for part in sample.strata] == [
        ("..0.3", 10, 30),
        ("0.3..", 31, 93),
    ]
    assert [supply.supplied for supply in report.strata] == [10, 31]
    assert any("settled by weights and a budget" in text for text in sample.assumptions)
    # an oracle that sums without rounding agrees wherever the mean is not at the edge
    for part in sample.strata:
        for unit in part.units:
            assert len({record.group for record in unit}) == 1
            mean = sum(Fraction(str(record.difficulty)) for record in unit) / 3
            if mean != Fraction("0.3"):
                assert (mean < Fraction("0.3")) == (part.name == "..0.3")
    # the twin that must fail: cut anew, groups at the edge change places
    again = read_pool(out)
    (easy,) = rules["..0.3"].candidates(again, seed=0)
    anew = {records[i].group for i in np.flatnonzero(np.isin(again.units, easy.units))}
    assert anew != {unit[0].group for unit in sample.strata[0].units}


def test_a_stratum_gives_a_mixture_what_it_gives_first_alone(grouped):
    pool, rules = read_pool(grouped), edge_rules([0.3])
    rule = MixtureOfRules(weights={"..0.3": 0.5, "0.3..": 0.5}, rules=rules)
    for found, alone in zip(rule.candidates(pool, seed=3), rules.values(), strict=True):
        assert np.array_equal(found.units, alone.candidates(pool, seed=3)[0].units)


@pytest.fixture
def make(inputs, tmp_path, options):
    """Sets a sweep with mixtures up."""

    def call(mixtures, out="out"):
        given = Inputs(
            base=options["base"],
            pool=inputs / "pool.jsonl",
            rules=WINDOWS,
            strata_levels=None,
            mixtures=mixtures,
            test=(),
            held_out_share=0.2,
            target=None,
            recipe=Recipe(),
        )
        return set_up(given, tmp_path / out)

    return call


def test_mixtures_may_be_added_but_not_changed(make, tmp_path, read):
    note = tmp_path / "out" / "sweep.json"
    make({}).write()
    before = read(note)
    assert "mixtures" not in before
    a, b = {"3..4": 0.5, "5..10": 0.5}, {"3..4": 0.1, "5..10": 0.9}
    make({"a": a}).write()
    make({"b": b}).write()
    make({}).write()
    assert read(note) == {**before, "mixtures": {"a": a, "b": b}}
    with pytest.raises(InputError, match=r"sweep\.json: has a mixture 'b' of other weights"):
        make({"b": a})
    with pytest.raises(InputError, match="--mix 'c' and 'a' have the same weights"):
        make({"c": a})
    make({"x/y": {"3..4": 0.2, "5..10": 0.8}}).write()
    with pytest.raises(InputError, match="need folders of one name"):
        make({"x_y": {"3..4": 0.3, "5..10": 0.7}})


def test_each_stratum_must_have_its_share(make):
    study = make({"hard": {"3..4": 0.1, "5..10": 0.9}}).study
    require_enough(study, cells_of(["hard"], [60], [0]))
    message = r"'5..10' has \d+ units to train on, fewer than the 81 that mixture 'hard' takes"
    with pytest.raises(InputError, match=message):
        require_enough(study, cells_of(["hard"], [90], [0]))


@pytest.fixture(scope="session")
def mixed(tmp_path_factory, swept, run_sweep):
    """The finished sweep, with a cell on a mixture added."""
    out = tmp_path_factory.mktemp("mixed") / "out"
    shutil.copytree(swept, out)
    assert run_sweep(out, "--mix", MIX) == 0
    return out


def test_a_mixture_is_certified_stratum_by_stratum(mixed, swept, contents):
    assert contents(swept).items() < contents(mixed).items()
    certificate = Certificate.read(mixed / CELL / "certificate.json")
    assert [(s.name, s.n) for s in certificate.strata] == [("3..4", 4), ("5..10", 12)]
    assert sum(entry.delta for entry in certificate.delta.ledger) <= certificate.delta.total
    records = read_jsonl(mixed / CELL / "train.jsonl")
    assert Counter(record.difficulty >= 5 for record in records) == {False: 4, True: 12}


def test_a_plan_reads_pure_and_mixed_cells(mixed):
    runs = read_runs(mixed).runs
    (run,) = (run for run in runs if len(run.train_weights) > 1)
    assert run.train_weights == {"3..4": 0.25, "5..10": 0.75}
    assert set(run.tests) == {"3..4", "5..10"}
    records = read_jsonl(mixed / CELL / "train.jsonl")
    assert run.difficulty == sum(record.difficulty for record in records) / 16
    # the base's risk is measured once and the same for all
    assert len({(r.base_target.mean, r.base_target.n, r.base_strength) for r in runs}) == 1
    pilots = pilots_of(runs, MEASURED)
    assert (len(pilots.runs), pilots.mixed) == (2, (run,))


def test_a_killed_mixture_is_made_anew(run, mixed, swept, options, contents, tmp_path, monkeypatch):
    import pacbayes.sweep.cell as module

    def killed(*_, **__):
        raise KeyboardInterrupt

    out = tmp_path / "out"
    shutil.copytree(swept, out)
    with monkeypatch.context() as patch:
        patch.setattr(module, "certify", killed)
        assert run({**options, "out": out}, "--mix", MIX)[0] == 130
    assert (out / CELL / "adapter_model.safetensors").is_file()
    assert not (out / CELL / "run.json").exists()
    code, shown, _ = run({**options, "out": out}, "--mix", MIX, "--only", "both")
    assert (code, "1 cells finished, 0 failed" in shown) == (0, True)
    assert contents(out) == contents(mixed)


def test_a_dry_run_prices_a_mixture(run, swept, options):
    code, shown, _ = run({**options, "out": swept}, "--mix", MIX, "--dry-run")
    assert code == 0
    assert "1 to make, 2 finished" in shown
    assert "2 steps, 32 examples" in shown
    assert f"{3 * 16 + 18 + 6} examples, tests included" in shown


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--mix", "both"], "--mix must be NAME:STRATUM=SHARE,... with each name once, got 'both'"),
        (["--mix", MIX, "--mix", MIX], "with each name once"),
        (["--mix", "both:3..4=half"], "--mix both: the share of '3..4' must be a number"),
        (["--only", "hard"], "--only: there is no stratum or mixture 'hard'; there are '3..4'"),
    ],
)
def test_bad_options_are_one_line(run, options, tmp_path, more, message):
    code, shown, error = run({**options, "out": tmp_path / "out"}, *more)
    assert (code, shown, message in error) == (2, "", True)
    assert len(error.splitlines()) == 1
    assert not (tmp_path / "out").exists()
