"""The subset is a function of pool, rule and seed, and keeps units whole."""

import json
from collections import Counter

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pacbayes.data.pool import read_pool
from pacbayes.data.scoring import read_scoring, report_path
from pacbayes.errors import InputError
from pacbayes.planning.rules import (
    Interval,
    LabelMixture,
    Mixture,
    Nearest,
    Window,
    intervals_between,
)
from pacbayes.planning.selection import (
    Candidates,
    apportion,
    choose,
    shuffled_records,
    shuffled_units,
)
from pacbayes.planning.selection_report import SelectionReport
from pacbayes.planning.subset import check_out, write_subset


def line(i, difficulty, group=None, level=None):
    record = {"text": f"t{i}", "difficulty": difficulty, "group": group, "level": level}
    return json.dumps(record) + "\n"


def pool_of(folder, difficulties, groups=None, levels=None):
    path = folder / "pool.jsonl"
    rows = zip(
        difficulties,
        groups or [None] * len(difficulties),
        levels or [None] * len(difficulties),
        strict=True,
    )
    path.write_text("".join(line(i, *row) for i, row in enumerate(rows)))
    return read_pool(path, stratum_field="level")


@pytest.fixture
def make(tmp_path):
    return lambda *columns: pool_of(tmp_path, *columns)


def chosen(pool, rule, budget, seed=0, **options):
    shares = choose(rule.candidates(pool, seed=seed), budget, **options)
    return np.concatenate([share.units for share in shares])


RULES = st.one_of(
    st.builds(Nearest, difficulty=st.floats(0, 9)),
    st.builds(lambda low, width: Window(low=low, high=low + width), st.floats(0, 5), st.just(5.0)),
    st.builds(
        lambda share, edge: Mixture(
            weights={"a": share, "b": 1 - share}, strata=intervals_between(["a", "b"], [edge])
        ),
        st.floats(0, 1),
        st.integers(1, 8),
    ),
)


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 12) | st.none()), min_size=1, max_size=40),
    RULES,
    st.integers(1, 20),
    st.integers(0, 2**64 - 1),
)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_whole_units_in_the_right_number(tmp_path_factory, rows, rule, budget, seed):
    folder = tmp_path_factory.mktemp("s")
    difficulties, groups = zip(*rows, strict=True)
    pool = pool_of(folder, difficulties, groups)
    candidates = rule.candidates(pool, seed=seed)
    if any(
        len(found.units) < wanted
        for found, wanted in zip(
            candidates, apportion(budget, [c.weight for c in candidates]), strict=True
        )
    ):
        with pytest.raises(InputError, match="the pool cannot supply"):
            write_subset(pool, rule, budget, folder / "a", seed=seed)
        assert [p.name for p in folder.iterdir()] == ["pool.jsonl"]
        return
    report = write_subset(pool, rule, budget, folder / "a", seed=seed)
    write_subset(pool, rule, budget, folder / "b", seed=seed)
    assert (folder / "a").read_bytes() == (folder / "b").read_bytes()
    got = Counter((folder / "a").read_text().splitlines())
    all_lines = pool.path.read_text().splitlines()
    assert not got - Counter(all_lines)
    unit = {text: g if (g := json.loads(text)["group"]) is not None else text for text in all_lines}
    units = {unit[text] for text in got}
    assert len(units) == budget == report.subset.n_units
    assert sum(s.supplied for s in report.strata) == budget
    # every record of a chosen unit is there, and none twice
    assert got == Counter(text for text in all_lines if unit[text] in units)
    assert {p.name for p in folder.iterdir()} == {
        "pool.jsonl",
        "a",
        "a.report.json",
        "b",
        "b.report.json",
    }


@given(st.lists(st.floats(0, 1), min_size=1, max_size=9), st.integers(1, 10**6))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_apportioned_shares(numbers, budget):
    assume(sum(numbers) > 1e-3)
    weights = [number / sum(numbers) for number in numbers]
    counts = apportion(budget, weights)
    assert sum(counts) == budget
    assert all(abs(c - budget * w) < 1 + 1e-6 for c, w in zip(counts, weights, strict=True))
    assert all(w > 0 or c <= 0 for c, w in zip(counts, weights, strict=True))


def test_nearest_units_and_ties(make):
    pool = make([1, 2, 3, 4, 5, 6, 7])
    assert set(chosen(pool, Nearest(difficulty=4.2), 3)) == {2, 3, 4}
    # 2 and 6 are equally near to 4: which of them is left to the seed
    picked = {
        frozenset(chosen(pool, Nearest(difficulty=4), 4, seed=s)) - {2, 3, 4} for s in range(9)
    }
    assert picked == {frozenset({1}), frozenset({5})}


def test_window_is_uniform_over_its_units(make):
    """Each of 10 units in 5 of 10: 400 seeds, 200 ± 10; 5 sd for all has probability 6e-6."""
    pool = make([0] * 3 + [5] * 10 + [9] * 3)
    rule = Window(low=5, high=5)
    counts = np.zeros(16)
    for seed in range(400):
        counts[chosen(pool, rule, 5, seed=seed)] += 1
    assert not counts[:3].any()
    assert not counts[13:].any()
    assert (abs(counts[3:13] - 200) < 50).all()


def test_order_is_shuffled_and_not_that_of_the_choice(make):
    """All 24 orders of four records come up in 600 seeds; 24 exp(-25) is the chance of a gap."""
    pool = make([1, 1, 1, 1])
    orders = {tuple(shuffled_records(pool, np.arange(4), seed=s)) for s in range(600)}
    assert len(orders) == 24
    same = [
        tuple(shuffled_records(pool, np.arange(4), seed=s))
        == tuple(shuffled_units(pool, np.arange(4), seed=s))
        for s in range(600)
    ]
    assert sum(same) < 60  # 25 ± 5 expected


def test_larger_budgets_contain_smaller_ones(make):
    pool = make(list(range(50)))
    for rule in (Window(low=5, high=44), Nearest(difficulty=20)):
        assert set(chosen(pool, rule, 10, seed=3)) < set(chosen(pool, rule, 25, seed=3))


def test_strata_share_an_edge_with_the_easier(make):
    pool = make([3, 4, 4.5, 7, 8, 20])
    rule = Mixture(
        weights={"easy": 0.4, "medium": 0.4, "hard": 0.2},
        strata=intervals_between(["easy", "medium", "hard"], [4, 7]),
    )
    easy, medium, hard = choose(rule.candidates(pool, seed=0), 5)
    assert set(easy.units) == {0, 1}
    assert set(medium.units) == {2, 3}
    assert (hard.wanted, hard.available) == (1, 2)


def test_strata_may_leave_gaps(make):
    strata = (Interval(name="hard", low=8, high=10), Interval(name="easy", low=1, high=3))
    pool = make([1, 5, 9, 3])
    rule = Mixture(weights={"easy": 0.5, "hard": 0.5}, strata=strata)
    assert [c.name for c in rule.candidates(pool, seed=0)] == ["easy", "hard"]
    assert set(chosen(pool, rule, 2)) < {0, 2, 3}


def test_a_group_is_placed_by_its_mean(make, tmp_path):
    pool = make([1, 9, 2], ["g", "g", None])
    rule = Window(low=4, high=6)
    report = write_subset(pool, rule, 1, tmp_path / "a", seed=0)
    assert (report.subset.n_records, report.n_uneven) == (2, 1)
    assert report.difficulty.mean == 5
    assert "1 chosen groups have records of different difficulty" in report.notes[0]


def test_labels(make):
    pool = make([1, 2, 3, 4], None, ["x", "y", "x", None])
    rule = LabelMixture(weights={"x": 0.5, "y": 0.5}, stratum_field="level")
    shares = choose(rule.candidates(pool, seed=0), 2)
    assert [(s.name, s.available) for s in shares] == [("x", 2), ("y", 1)]
    with pytest.raises(InputError, match="there is no stratum 'z'; there are 'x', 'y'"):
        LabelMixture(weights={"z": 1}, stratum_field="level").candidates(pool, seed=0)


def test_a_group_with_two_labels(make):
    pool = make([1, 2], ["g", "g"], ["x", "y"])
    rule = LabelMixture(weights={"x": 1}, stratum_field="level")
    with pytest.raises(InputError, match=r"pool\.jsonl:1: the group .* another `level`"):
        rule.candidates(pool, seed=0)


def test_a_pool_that_is_too_small(make, tmp_path):
    pool = make([1] * 4 + [9] * 10)
    rule = Mixture(weights={"e": 0.5, "h": 0.5}, strata=intervals_between(["e", "h"], [5]))
    with pytest.raises(
        InputError,
        match=r"cannot supply 12 units: 'e' has 4 of 6 wanted\. At most it can supply 8 by this",
    ):
        write_subset(pool, rule, 12, tmp_path / "a", seed=0)
    assert not (tmp_path / "a").exists()
    report = write_subset(pool, rule, 12, tmp_path / "a", seed=0, allow_short=True)
    assert report.short
    assert [(s.wanted, s.supplied, s.available) for s in report.strata] == [(6, 4, 4), (6, 6, 10)]
    assert report.notes[0] == "10 units of the 12 that were asked for."


@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(1, 9)), min_size=1, max_size=4),
    st.integers(1, 200),
)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_largest_budget_is_the_largest(stock, budget):
    total = sum(weight for _, weight in stock)
    candidates = [
        Candidates(name=str(i), weight=weight / total, units=np.arange(count))
        for i, (count, weight) in enumerate(stock)
    ]

    def fits(n):
        counts = apportion(n, [c.weight for c in candidates])
        return all(n <= len(c.units) for n, c in zip(counts, candidates, strict=True))

    assume(not fits(budget))
    with pytest.raises(InputError) as caught:
        choose(candidates, budget)
    said = int(str(caught.value).split("it can supply ")[1].split()[0])
    assert said == max((n for n in range(1, 300) if fits(n)), default=0)


def test_nothing_to_choose_from(make):
    pool = make([1, 2])
    with pytest.raises(InputError, match="no unit at all where this rule looks"):
        chosen(pool, Window(low=5, high=6), 3, allow_short=True)
    with pytest.raises(InputError, match="the budget must be at least 1, got 0"):
        chosen(pool, Window(low=1, high=6), 0)


def test_copies_are_counted(tmp_path):
    path = tmp_path / "p.jsonl"
    path.write_text(line(1, 1) * 3 + line(2, 1, "g") * 2)
    report = write_subset(read_pool(path), Window(low=0, high=2), 4, tmp_path / "a", seed=0)
    assert report.n_copies == 2
    assert report.notes[0].startswith("2 chosen records have the text of another unit's")


def test_report_repeats_everything(make, tmp_path):
    pool = make([1, 2, 3, 4, 5])
    report = write_subset(pool, Window(low=2, high=4), 2, tmp_path / "a.jsonl", seed=7)
    written = json.loads(report_path(tmp_path / "a.jsonl").read_text())
    assert written == json.loads(report.to_json())
    assert written["schema"] == "pacbayes.selection/1"
    assert written["rule"] == {"window": [2, 4]}
    assert (written["seed"], written["budget"]) == (7, 2)
    assert written["pool"] == {
        "path": str(pool.path),
        "sha256": pool.sha256,
        "n_records": 5,
        "n_units": 5,
    }
    assert written["pool_difficulty"]["median"] == 3
    assert written["plan"] is None
    assert SelectionReport.read(report_path(tmp_path / "a.jsonl")) == report


def test_how_the_pool_was_scored_is_handed_on(make, tmp_path):
    pool = make([1, 2, 3])
    settings = {"by": "pass-rate", "model": ["abc"]}
    report = {
        "schema": "pacbayes.score/1",
        "out": {"sha256": pool.sha256},
        "settings": {"score": settings},
    }
    report_path(pool.path).write_text(json.dumps(report))
    out = tmp_path / "a.jsonl"
    written = write_subset(pool, Window(low=2, high=4), 2, out, seed=0)
    assert written.scoring == settings
    assert read_scoring(out, written.subset.sha256).models == ("abc",)


def test_interruption_leaves_nothing(make, tmp_path, monkeypatch):
    pool = make([1, 2])

    def interrupted(*_):
        yield b"half a line"
        raise KeyboardInterrupt

    monkeypatch.setattr(type(pool), "lines_of", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_subset(pool, Window(low=0, high=3), 2, tmp_path / "a", seed=0)
    assert [p.name for p in tmp_path.iterdir()] == ["pool.jsonl"]


def test_where_nothing_can_be_written(make, tmp_path):
    pool = make([1])
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"):
        write_subset(pool, Window(low=0, high=3), 1, tmp_path / "file" / "a", seed=0)
    with pytest.raises(InputError, match="is a folder"):
        check_out(tmp_path, pool.path, overwrite=True)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (lambda: Window(low=3, high=2), r"--window must be two finite numbers, .* got 3 2"),
        (lambda: Window(low=float("nan"), high=2), "--window must be"),
        (lambda: Nearest(difficulty=float("inf")), "--difficulty must be finite, got inf"),
        (lambda: LabelMixture(weights={"a": 0.5}), "must sum to 1, these sum to 0.5"),
        (lambda: LabelMixture(weights={"a": 1.5, "b": -0.5}), "'b' must be at least 0, got -0.5"),
        (lambda: LabelMixture(weights={"a": float("nan")}), "'a' must be at least 0, got nan"),
        (lambda: Mixture(weights={"a": 1}, strata=()), "no stratum 'a'; there are none"),
        (lambda: intervals_between(["a"], [1]), "1 edges make 2 strata, but there are weights"),
        (lambda: intervals_between(["a", "b", "c"], [2, 1]), "strictly increasing"),
    ],
)
def test_bad_rules(rule, message):
    with pytest.raises(InputError, match=message):
        rule()
