from itertools import chain, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pacbayes.data import (
    Record,
    Stratum,
    cut,
    overlap,
    quantile_edges,
    quantile_note,
    read_jsonl,
    strata_by_edges,
    strata_by_field,
    strata_by_file,
    strata_by_levels,
    strata_by_quantiles,
    units_of,
)
from pacbayes.errors import InputError


def make(difficulties=(), *, path="d.jsonl", groups=None, stratum=None, n=0, tag=""):
    difficulties = list(difficulties) or [None] * n
    groups = groups or [None] * len(difficulties)
    return [
        Record(text=f"{tag}{i}", difficulty=d, group=g, stratum=stratum, path=path, line=i + 1)
        for i, (d, g) in enumerate(zip(difficulties, groups, strict=True))
    ]


def test_units_are_groups_and_single_records():
    records = make(n=5, groups=["a", None, "b", "a", None])
    assert units_of(records) == ((0, 3), (1,), (2,), (4,))
    assert units_of(records, [0, 4, 2]) == ((0,), (4,), (2,))


def test_group_named_like_an_index_is_no_index():
    assert units_of(make(n=2, groups=[None, "0"])) == ((0,), (1,))


def test_strata_of_files_index_all_records():
    files = [make(n=2, path="x/easy.jsonl", tag="e"), make(n=1, path="y/hard.jsonl", tag="h")]
    assert strata_by_file(files) == (
        Stratum(name="easy", units=((0,), (1,))),
        Stratum(name="hard", units=((2,),)),
    )
    assert cut(files) == strata_by_file(files)


def test_n_counts_units_not_records():
    (stratum,) = cut([make(n=3, groups=["a", "a", None])])
    assert (stratum.name, stratum.n, stratum.n_records) == ("d", 2, 3)


def test_duplicate_stems():
    files = [make(n=1, path="a/x.jsonl", tag="a"), make(n=1, path="b/x.jsonl", tag="b")]
    with pytest.raises(InputError, match=r"^b/x\.jsonl: .*a/x\.jsonl has the same stem 'x'"):
        strata_by_file(files)
    with pytest.raises(InputError, match="the usual mistake is one file given twice"):
        strata_by_file([files[0], files[0]])


def test_files_with_a_common_record():
    files = [make(n=3, path="a.jsonl"), make(n=2, path="b.jsonl")]
    with pytest.raises(InputError, match=r"^b\.jsonl:1: the same record as a\.jsonl:1; .*\(2 such"):
        strata_by_file(files)


def test_files_with_a_common_group():
    files = [
        make(n=2, path="a.jsonl", tag="a", groups=[None, "g"]),
        make(n=1, path="b.jsonl", tag="b", groups=["g"]),
    ]
    with pytest.raises(InputError, match=r"^b\.jsonl:1: group 'g' is in stratum 'b' .*a\.jsonl:2"):
        strata_by_file(files)


def test_stratum_field():
    records = make(n=2, stratum="s") + make(n=1, stratum="t", tag="t")
    assert [(s.name, s.n) for s in strata_by_field(records)] == [("s", 2), ("t", 1)]
    assert cut([records]) == strata_by_field(records)
    with pytest.raises(InputError, match="record without `stratum`"):
        cut([records + make(n=1)])


def test_edges_close_to_the_left():
    strata = strata_by_edges(make([4, 4.5, 7, 7.25, 0]), [4, 7])
    assert [(s.name, s.units) for s in strata] == [
        ("difficulty<=4", ((0,), (4,))),
        ("4<difficulty<=7", ((1,), (2,))),
        ("difficulty>7", ((3,),)),
    ]


@pytest.mark.parametrize("edges", [[2, 2], [3, 1], [float("nan")], [1, float("inf")]])
def test_bad_edges(edges):
    with pytest.raises(InputError, match="finite and strictly increasing, got"):
        strata_by_edges(make([1, 2, 3]), edges)


def test_empty_stratum():
    with pytest.raises(InputError, match=r"no record in stratum 'difficulty>9'; .* \[1, 3\]"):
        cut([make([1, 3])], edges=[9])


def test_missing_difficulty():
    with pytest.raises(InputError, match=r"^d\.jsonl:2: record without `difficulty`"):
        cut([make([1, None])], k=1)


def test_group_across_edges():
    records = make([1, 2, 9], groups=["g", None, "g"])
    with pytest.raises(InputError, match=r"^d\.jsonl:3: group 'g' is in stratum 'difficulty>2'"):
        strata_by_edges(records, [2])


def test_quantiles_count_units():
    records = make([1, 1, 1, 1, 2, 3, 4], groups=["g"] * 4 + [None] * 3)
    assert [s.n for s in strata_by_quantiles(records, 2)] == [2, 2]


def test_no_strata():
    with pytest.raises(InputError, match="`strata` must be at least 1, got 0"):
        cut([make([1, 1, 2, 3])], k=0)


def test_more_strata_than_difficulties():
    strata = cut([make([1, 1, 2, 3])], k=5)
    assert [s.n for s in strata] == [2, 1, 1]
    assert quantile_note(strata, 5) == (
        "3 strata of 2, 1, 1 units, not 5: there are only 3 distinct difficulties, and equal ones "
        "are never cut apart."
    )


def test_note_on_unequal_quantiles():
    """A pass rate that is 0 for most records, as hard sets have."""
    assert quantile_note(strata_by_quantiles(make([1] * 90 + list(range(10, 20))), 4), 4) == (
        "4 strata of 90, 1, 1, 8 units, unequal because many units have the same difficulty, and "
        "equal ones are never cut apart."
    )
    assert quantile_note(strata_by_quantiles(make(range(11)), 4), 4) is None


def test_levels_of_difficulty():
    strata = cut([make([5, 3, 4.5, 3])], levels="difficulty")
    assert [(s.name, s.units) for s in strata] == [
        ("difficulty=3", ((1,), (3,))),
        ("difficulty=4.5", ((2,),)),
        ("difficulty=5", ((0,),)),
    ]
    (zero,) = cut([make([0.0, -0.0, 0])], levels="difficulty")
    assert (zero.name, zero.n) == ("difficulty=0", 3)
    with pytest.raises(InputError, match=r"`difficulty` has 101 distinct values, .* quantiles"):
        strata_by_levels(make(range(101)))
    with pytest.raises(InputError, match=r"^d\.jsonl:2: group 'g' is in stratum 'difficulty=2'"):
        strata_by_levels(make([1, 2], groups=["g", "g"]))


def test_levels_of_a_field(tmp_path):
    path = tmp_path / "d.jsonl"
    lines = [f'{{"text": "{i}", "level": "Level {j}"}}' for i, j in enumerate([10, 2, 10, 1])]
    path.write_text("\n".join(lines))
    strata = cut([read_jsonl(path, stratum_field="level")], levels="level")
    assert [(s.name, s.n) for s in strata] == [("Level 1", 1), ("Level 2", 1), ("Level 10", 2)]
    with pytest.raises(InputError, match=r"d\.jsonl:1: record without `grade`, which the strata"):
        cut([read_jsonl(path, stratum_field="grade")], levels="grade")
    with pytest.raises(InputError, match="`stratum` has 101 distinct values"):
        strata_by_field([make([0], stratum=f"s{i}")[0] for i in range(101)])


def test_options_that_exclude_one_another():
    with pytest.raises(InputError, match=r"`strata` and `strata_edges` are .* give one of them"):
        cut([make([1, 2])], k=2, edges=[1])
    with pytest.raises(InputError, match="`strata_edges` and `strata_levels` are"):
        cut([make([1, 2])], edges=[1], levels="difficulty")
    with pytest.raises(InputError, match="several data files are strata already"):
        cut([make([1], path="a"), make([2], path="b")], k=2)


@given(st.lists(st.integers(0, 12), min_size=1, max_size=60), st.data())
@settings(max_examples=200, deadline=None, derandomize=True)
def test_quantile_strata_partition_in_order(difficulties, data):
    k = data.draw(st.integers(1, len(set(difficulties))))
    records = make(difficulties)
    strata = strata_by_quantiles(records, k)
    parts = [[difficulties[i] for unit in s.units for i in unit] for s in strata]
    assert len(parts) == k
    assert sorted(chain(*parts)) == sorted(difficulties)
    assert all(max(a) < min(b) for a, b in pairwise(parts))


@given(st.integers(1, 8), st.integers(0, 40))
@settings(max_examples=50, deadline=None, derandomize=True)
def test_quantile_strata_are_equal_without_ties(k, extra):
    sizes = [s.n for s in strata_by_quantiles(make(range(k + extra)), k)]
    assert max(sizes) - min(sizes) <= 1


def test_ties_are_never_split():
    assert quantile_edges([5] * 100 + [6], 2) == (5,)
    assert quantile_edges([1] + [5] * 100, 2) == (1,)


def test_overlap_names_first_places():
    a, b = make(n=3), make(n=3)
    assert overlap(a + a, [b[2], b[0]]) == ((2, 0), (0, 1))
    assert overlap(a, make(n=2, tag="x")) == ()
