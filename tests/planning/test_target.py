"""Shares of the strata in the target: written out, or counted in a file."""

import hashlib
import json

import pytest

from pacbayes.errors import InputError
from pacbayes.plan import StratumInfo
from pacbayes.planning.target import parse_target_weights, read_target

STRATA = (
    StratumInfo(name="easy", difficulty=3.5, low=None, high=4.5),
    StratumInfo(name="medium", difficulty=6.0, low=4.5, high=7.5),
    StratumInfo(name="hard", difficulty=9.0, low=7.5, high=None),
)


def write(path, records):
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def test_weights_in_words():
    found = parse_target_weights(" easy = .2, a=b=.8 ")
    assert found.weights == {"easy": 0.2, "a=b": 0.8}
    assert found.n is found.path is None


@pytest.mark.parametrize(
    "text", ["", "easy", "easy=", "=1", "easy=one", "easy=nan", "easy=.5,easy=.5"]
)
def test_weights_that_are_none_are_refused(text):
    with pytest.raises(InputError, match="NAME=SHARE"):
        parse_target_weights(text)


def test_weights_must_sum_to_one():
    with pytest.raises(InputError, match=r"must sum to 1, got 100; the usual mistake is counts"):
        parse_target_weights("easy=20,hard=80")
    with pytest.raises(InputError, match="finite and at least 0"):
        parse_target_weights("easy=1.5,hard=-.5")


def test_difficulties_are_counted_between_the_edges(tmp_path):
    values = [1, 4.5, 4.500001, 7.5, 8, 100]
    path = write(tmp_path / "t.jsonl", [{"difficulty": value} for value in values])
    found = read_target(path, STRATA)
    # an edge belongs to the easier stratum
    assert found.weights == pytest.approx({"easy": 2 / 6, "medium": 2 / 6, "hard": 2 / 6})
    assert found.n == 6
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_named_stratum_wins_and_groups_are_units(tmp_path):
    records = [
        {"stratum": "hard", "difficulty": 1},
        {"stratum": "easy", "group": 7},
        {"stratum": "easy", "group": 7},
        {"difficulty": 2, "group": "x"},
    ]
    found = read_target(write(tmp_path / "t.jsonl", records), STRATA)
    assert found.n == 3
    assert found.weights == pytest.approx({"easy": 2 / 3, "hard": 1 / 3})
    assert list(found.weights) == ["easy", "hard"]


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"stratum": "extreme"}, "stratum 'extreme' is unknown to the runs, which have 'easy'"),
        ({"prompt": "?"}, "needs a `stratum` or a `difficulty`; .* not scored"),
        ({"difficulty": "4"}, "`difficulty` must be a number, got a string"),
        ({"difficulty": True}, "`difficulty` must be a number, got true or false"),
        ({"stratum": {}}, "`stratum` must be a string, got an object"),
        ({"stratum": "easy", "group": []}, "`group` must be a string, got a list"),
        ({"difficulty": 10**400}, "`difficulty` must be finite"),
        ({"difficulty": 1, "group": "x"}, r"group 'x' is in stratum 'easy' here and in 'hard'"),
    ],
)
def test_bad_records_are_refused_by_line(tmp_path, record, message):
    path = write(tmp_path / "t.jsonl", [{"difficulty": 9, "group": "x"}, record])
    with pytest.raises(InputError, match=message) as caught:
        read_target(path, STRATA)
    assert str(caught.value).startswith(f"{path}:2: ")


def test_an_empty_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="no records"):
        read_target(write(tmp_path / "t.jsonl", []), STRATA)
