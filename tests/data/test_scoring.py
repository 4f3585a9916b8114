import json

import pytest

from pacbayes.data import sha256_of
from pacbayes.data.sample import read_sample
from pacbayes.data.scoring import read_scoring


@pytest.fixture
def scored(tmp_path):
    """A file with a report beside it, its SHA-256 as it should be or another."""

    def write(settings, sha256=None, schema="pacbayes.score/1"):
        path = tmp_path / "d.jsonl"
        path.write_text("".join(f'{{"text": "{i}", "difficulty": {i}}}\n' for i in range(4)))
        report = {
            "schema": schema,
            "out": {"sha256": sha256 or sha256_of(path)},
            "settings": {"score": settings},
        }
        path.with_name("d.jsonl.report.json").write_text(json.dumps(report))
        return path

    return write


def test_length_is_a_function_of_the_record(scored):
    path = scored({"by": "length", "unit": "tokens"})
    sample = read_sample([path], edges=[1])
    assert sample.scoring.models == ()
    assert sample.assumptions[2].startswith("A record's difficulty is the length of its completion")
    assert read_sample([path]).scoring is None


def test_the_scoring_model_is_named(scored):
    sample = read_sample([scored({"by": "loss", "model": ["abc", "def"]})], k=2)
    assert sample.scoring.models == ("abc", "def")
    assert "a model of SHA-256 abc, def, not the checkpoint" in sample.assumptions[2]


@pytest.mark.parametrize(
    "changes", [{"sha256": "0" * 64}, {"schema": "other/1"}, {"settings": None}]
)
def test_reports_on_something_else_say_nothing(scored, changes):
    path = scored(**({"settings": {"by": "length"}} | changes))
    assert read_scoring(path, sha256_of(path)) is None
    assert "not scored with a model" in read_sample([path], edges=[1]).assumptions[2]


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"schema": []}', '{"schema": "pacbayes.score/1"}']
)
def test_reports_that_are_none(scored, text):
    path = scored({"by": "length"})
    path.with_name("d.jsonl.report.json").write_text(text)
    assert read_scoring(path, sha256_of(path)) is None
