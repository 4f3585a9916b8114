"""Files are scored whole or not at all, and stops in between leave no trace in the result."""

import hashlib
import json
import tracemalloc
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pacbayes.difficulty import FieldScorer, Layout, OutputRules, Score, score_file
from pacbayes.difficulty import stream as module
from pacbayes.errors import InputError
from tests.difficulty.conftest import lines

BY_X = FieldScorer(field="x", orientation="harder", scale="number")


@dataclass(frozen=True)
class Doubled:
    """Scores 2x in chunks; is interrupted before the item at a line."""

    chunk: int = 3
    stop_at: int | None = None
    checks_first: bool = False
    factor: int = 2
    seen: list = field(default_factory=list)

    @property
    def settings(self):
        return {"factor": self.factor}

    def check(self, item):
        if "bad" in item.fields:
            raise item.error("bad.")

    def score(self, items):
        found = []
        for item in items:
            if item.line == self.stop_at:
                raise KeyboardInterrupt
            self.check(item)
            self.seen.append(item.line)
            found.append(Score(difficulty=self.factor * item.fields["x"], passed=(1, 2)))
        return found


@pytest.fixture(autouse=True)
def save_after_every_chunk(monkeypatch):
    monkeypatch.setattr(module, "_SECONDS_BETWEEN_SAVES", 0.0)


@pytest.fixture
def data(write):
    return write(*({"x": i, "text": "é\u2028"} for i in range(20)))


def score(data, out, scorer=BY_X, notes=None, **rules):
    note = (lambda _: None) if notes is None else notes.append
    overwrite = rules.pop("overwrite", False)
    return score_file(data, out, scorer, OutputRules(**rules), overwrite=overwrite, note=note)


def left(folder):
    return sorted(path.name for path in folder.iterdir() if path.name != "data.jsonl")


def test_records_keep_their_fields_and_order(write, tmp_path):
    given = [{"z": None, "x": 1, "a": [1, {"b": "\ud800"}]}, {"x": "2", "difficulty": 9}]
    score(write(*given), tmp_path / "o")
    first, second = lines(tmp_path / "o")
    assert list(first.items()) == [*given[0].items(), ("difficulty", 1.0)]
    assert second == {"x": "2", "difficulty": 2.0, "difficulty_given": 9}


def test_what_takes_a_place_twice_keeps_the_first(write, tmp_path):
    score(write({"x": 1, "difficulty": "5/8"}), tmp_path / "o")
    (tmp_path / "o").rename(tmp_path / "again.jsonl")
    score(tmp_path / "again.jsonl", tmp_path / "o", Doubled())
    (record,) = lines(tmp_path / "o")
    assert (record["difficulty"], record["difficulty_given"]) == (2, "5/8")


def test_fields_that_become_prompt_completion_and_group(write, tmp_path):
    layout = Layout(prompt="q", completion="a")
    data = write({"x": 1, "q": "1+1", "a": 2}, {"x": 1, "q": "long" * 50, "a": "3"})
    score(data, tmp_path / "o", layout=layout, group_field="q")
    first, second = lines(tmp_path / "o")
    assert (first["prompt"], first["completion"], first["group"]) == ("1+1", "2", "1+1")
    assert second["group"] == hashlib.blake2b(b"long" * 50, digest_size=16).hexdigest()


def test_report(write, tmp_path):
    data = write({"x": 3}, {}, {"x": None}, {"x": 5})
    score(data, tmp_path / "o", missing="skip")
    report = json.loads((tmp_path / "o.report.json").read_text())
    assert report["difficulty"] == {"least": 3, "mean": 4, "largest": 5}
    assert report["missing"] == {
        "n": 2,
        "reasons": {"no `x`": 1, "`x` is null": 1},
        "first_lines": [2, 3],
    }
    for place, path in (("data", data), ("out", tmp_path / "o")):
        assert report[place]["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()


def test_blank_lines_marks_and_the_last_line_end(tmp_path):
    data = tmp_path / "data.jsonl"
    data.write_bytes(b'\xef\xbb\xbf\n{"x": 1}\r\n\n{"x": 2}')
    score(data, tmp_path / "o")
    assert [r["difficulty"] for r in lines(tmp_path / "o")] == [1, 2]


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    stops=st.lists(st.integers(1, 20), max_size=4), chunk=st.integers(1, 25), garbage=st.binary()
)
def test_an_interrupted_run_goes_on_and_gives_the_same(
    tmp_path_factory, data, stops, chunk, garbage
):
    folder = tmp_path_factory.mktemp("run")
    whole, out = folder / "whole", folder / "out"
    expected = score(data, whole, Doubled())
    for stop in sorted(stops):
        with pytest.raises(KeyboardInterrupt):
            score(data, out, Doubled(chunk=chunk, stop_at=stop))
        assert not out.exists()
        with (folder / "out.part").open("ab") as part:  # a kill may leave more than was noted
            part.write(garbage)
        chunk = chunk % 7 + 1
    found = score(data, out, Doubled(chunk=chunk))
    assert found == expected
    assert out.read_bytes() == whole.read_bytes()
    assert not (folder / "out.part").exists()
    assert not (folder / "out.part.json").exists()


def stopped(data, out, at=14):
    with pytest.raises(KeyboardInterrupt):
        score(data, out, Doubled(stop_at=at))


def test_what_is_done_is_not_done_again(data, tmp_path):
    stopped(data, tmp_path / "o")
    again, notes = Doubled(), []
    score(data, tmp_path / "o", again, notes)
    assert again.seen == list(range(13, 21))
    assert notes == [f"going on from line 13 of {data}."]


def test_lines_that_were_added_meanwhile_are_scored(data, tmp_path):
    stopped(data, tmp_path / "o")
    with data.open("a") as file:
        file.write('{"x": 99}\n')
    again = Doubled()
    score(data, tmp_path / "o", again)
    assert again.seen == list(range(13, 22))


def damage(name, data, out):
    part, state = out.with_name("o.part"), out.with_name("o.part.json")
    if name == "input":
        data.write_text(data.read_text().replace('"x": 5,', '"x": 6,'))
    if name == "shorter input":
        data.write_text(data.read_text()[:100] + '"}')
    if name == "part":
        part.write_bytes(b"?" + part.read_bytes()[1:])
    if name == "shorter part":
        part.write_bytes(part.read_bytes()[:-1])
    if name == "no part":
        part.unlink()
    if name == "state":
        state.write_text(state.read_text()[:-5])
    if name == "other state":
        state.write_text("[]")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("input", "has changed since"),
        ("part", "part is damaged"),
        ("shorter part", "part is damaged"),
        ("no part", "part is damaged"),
        ("state", "json is damaged"),
        ("other state", "json is damaged"),
    ],
)
def test_what_does_not_fit_is_not_continued(data, tmp_path, name, why):
    out = tmp_path / "o"
    stopped(data, out)
    damage(name, data, out)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(InputError, match=rf"cannot be continued: .*{why}; give --overwrite"):
        score(data, out, Doubled())
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    again = Doubled()
    score(data, out, again, overwrite=True)
    assert again.seen == list(range(1, 21))
    assert [r["difficulty"] for r in lines(out)] == [2 * r["x"] for r in lines(data)]


def test_other_settings_are_not_mixed(data, tmp_path):
    out = tmp_path / "o"
    stopped(data, out)
    with pytest.raises(InputError, match=r"o.part: .* it was begun with other settings"):
        score(data, out, Doubled(factor=3))
    score(data, out, Doubled(factor=3), overwrite=True)
    assert [r["difficulty"] for r in lines(out)] == [3 * i for i in range(20)]


def test_long_records_come_in_smaller_chunks(data, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_CHUNK_BYTES", 40)
    sizes = []

    class Sized(Doubled):
        def score(self, items):
            sizes.append(len(items))
            return super().score(items)

    score(data, tmp_path / "o", Sized(chunk=9))
    assert max(sizes) <= 2
    assert len(lines(tmp_path / "o")) == 20


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"x": 1}\n{"x": ', "data.jsonl:2: malformed JSON"),
        ('{"x": 1}\n\n[1]', "data.jsonl:3: a record must be a JSON object"),
        ('{"x": 1}\n{"x": NaN}', "data.jsonl:2: NaN is not JSON"),
        ('{"x": 1}\n{"x": "many"}', "data.jsonl:2: `x`: must be a number"),
        ('{"x": 1}\n{"x": null}', "data.jsonl:2: `x` is null, so there is no difficulty"),
        ('{"x": 1}\n{"x": 2, "y": 1e999}', "data.jsonl:2: has a number that is too large"),
        ('{"x": 1}\n{"x": 2, "x": 3}', "data.jsonl:2: duplicate key"),
        ("", "data.jsonl: no records"),
        ("\n\n", "data.jsonl: no records"),
    ],
)
def test_bad_input_leaves_nothing(tmp_path, content, message):
    data = tmp_path / "data.jsonl"
    data.write_text(content)
    with pytest.raises(InputError, match=message):
        score(data, tmp_path / "o", FieldScorer(field="x", orientation="harder", scale="number"))
    assert left(tmp_path) == []


def test_a_file_without_any_difficulty_is_an_error(write, tmp_path):
    with pytest.raises(InputError, match=r"none of the 2 records can be scored \(2 times: no `x`"):
        score(write({"y": 1}, {"y": 2}), tmp_path / "o", missing="skip")
    assert left(tmp_path) == []


def test_slow_scorers_look_at_all_before_they_begin(write, tmp_path):
    data = write(*({"x": i} for i in range(9)), {"x": 9, "bad": 1})
    scorer = Doubled(checks_first=True)
    with pytest.raises(InputError, match=r"data.jsonl:10: bad"):
        score(data, tmp_path / "o", scorer)
    assert scorer.seen == []


def test_paths_that_cannot_be_written(data, tmp_path):
    out = tmp_path / "o"
    out.write_text("precious")
    with pytest.raises(InputError, match=r"o: exists; give --overwrite"):
        score(data, out)
    assert out.read_text() == "precious"
    score(data, out, overwrite=True)
    assert len(lines(out)) == 20
    with pytest.raises(InputError, match=r"is the input"):
        score(data, data, overwrite=True)
    with pytest.raises(InputError, match=r"no such folder"):
        score(data, tmp_path / "no" / "o")
    with pytest.raises(InputError, match=r"is a folder"):
        score(data, tmp_path)
    with pytest.raises(InputError, match=r"no such file"):
        score(tmp_path / "no.jsonl", tmp_path / "p")
    with pytest.raises(InputError, match=r"--missing must be error, skip, keep"):
        OutputRules(missing="drop")


def test_a_bad_overwrite_keeps_what_was_there(write, tmp_path):
    out = tmp_path / "o"
    out.write_text("precious")
    with pytest.raises(InputError):
        score(write({"x": "bad"}), out, overwrite=True)
    assert out.read_text() == "precious"


def test_memory_does_not_grow_with_the_file(write, tmp_path):
    def peak(n):
        data = write(*({"x": i, "text": "a" * 200} for i in range(n)), name=f"{n}.jsonl")
        tracemalloc.start()
        score(data, tmp_path / f"{n}.out")
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(100)  # what is made once
    assert peak(4000) < 1.2 * peak(1000)
