"""Inputs at the limits, through the commands: exit code 2, one line, and nothing written."""

import json
import os
import resource
import sys

import pytest

from benchmarks.fuzzing.campaign import content_of
from benchmarks.fuzzing.data_files import RECORDS, lines
from benchmarks.fuzzing.documents import certificates
from benchmarks.fuzzing.targets import TARGETS
from pacbayes.certificate import Certificate
from pacbayes.cli import main
from pacbayes.data.pool import read_pool
from pacbayes.data.sample import read_sample
from pacbayes.errors import InputError
from pacbayes.plan import Plan
from pacbayes.runs import read_runs
from pacbayes.verify import UnreadableError
from pacbayes.verify import read as read_apart
from pacbayes.verify.inputs import count

LONG = 100 * 2**20

READERS = {
    "data": lambda path: read_sample([path]),
    "pool": read_pool,
    "runs": read_runs,
    "certificate": Certificate.read,
    "plan": Plan.read,
    "verify": read_apart,
    "verify data": count,
}


def fifo(path):
    os.mkfifo(path)


def link_to_nothing_that_ends(path):
    path.symlink_to("/dev/zero")


def unreadable(path):
    path.symlink_to("/proc/self/mem")  # a file, by its kind, whose first byte cannot be read


def holding(content):
    return lambda path: path.write_bytes(content)


CASES = {
    "missing": lambda path: None,
    "empty": holding(b""),
    "folder": lambda path: path.mkdir(),
    "pipe": fifo,
    "device": link_to_nothing_that_ends,
    "unreadable": unreadable,
    "100,000 deep": holding(b'{"a": ' * 100_000),
    "900 deep, all of it": holding(b'{"a": ' * 900 + b"1" + b"}" * 900 + b"\n"),
    "10^400": holding(b'{"text": "a", "difficulty": 1' + b"0" * 400 + b', "n": 1e400}\n'),
    "10^5000": holding(b'{"text": "a", "difficulty": 1' + b"0" * 5000 + b"}\n"),
    "half a pair": holding(b'{"text": "\\ud800", "group": ["\\udfff"]}\n{'),
    "no UTF-8": holding(b'{"text": "\xed\xa0\x80\xff"}\n'),
    "NUL": holding(b'{"text": "a"}\x00\n'),
    "two bytes for one": holding('{"text": "a"}\n'.encode("utf-16")),
}


COUNTED = {"empty": 0, "900 deep, all of it": 1, "10^400": 1}
"""Enough of a record to be counted, which is all that the verifier does with data."""


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("reader", READERS)
def test_what_is_at_a_limit_is_refused_in_one_line(reader, case, tmp_path):
    path = tmp_path / "input.json"
    CASES[case](path)
    if reader == "verify data" and case in COUNTED:
        assert count(path).n_records == COUNTED[case]
        return
    with pytest.raises((InputError, UnreadableError)) as caught:
        READERS[reader](path)
    assert str(caught.value).isprintable()
    assert str(path) in str(caught.value)


def test_lines_of_100_megabytes(tmp_path):
    path, before = tmp_path / "long.jsonl", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    path.write_bytes(b'{"text": "' + b"x" * LONG)
    with pytest.raises(InputError, match=r"long\.jsonl:1: malformed JSON"):
        read_sample([path])
    path.write_bytes(b'{"text": "' + b"x" * LONG + b'"}\n{"text": "y"}\n')
    assert len(read_pool(path).offsets) == 2
    path.write_bytes(b'{"' + b"x" * 2**20 + b'": 1}\n')
    with pytest.raises(InputError, match="unknown form") as caught:
        read_sample([path])
    assert len(str(caught.value)) < 3000
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown * 1024 < 12 * LONG or sys.platform == "darwin"


@pytest.fixture
def run(run_program, tmp_path, monkeypatch):
    """Runs a command in a folder; it must refuse its input in one line and leave all as it is."""

    def call(*arguments):
        monkeypatch.chdir(tmp_path)
        before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
        code, shown, told = run_program(main, "pacbayes", *arguments)
        assert code == 2, (code, shown, told)
        assert shown == ""
        assert told.startswith(("error: ", "Usage: ")), told
        assert told.startswith("Usage: ") or told.count("\n") == 1
        assert "Traceback" not in told
        assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before

    return call


COMMANDS = {
    "jsonl-data": "bound --checkpoint ckpt --data {} --out out",
    "jsonl-held-out": "bound --checkpoint c --data good.jsonl --prior p --prior-data {} --out out",
    "jsonl-pool": "select --pool {} --difficulty 3 --budget 1000000 --out out.jsonl",
    "jsonl-scored": "score --data {} --by field --field nowhere --orientation harder --out out",
    "runs-jsonl": "plan {} --budgets 0 --out out",
    "certificate": "report {} no-such-file.json --out out.html",
    "plan": "select --pool good.jsonl --plan {} --budget 7 --out out.jsonl",
    "verify": "verify {} --draws no-such-folder --data no-such-file",
    "toml-config": "plan runs.jsonl --config {} --level 7 --out out",
}
"""Each refuses whatever the input is: it is bad, or what comes after it is."""


@pytest.mark.parametrize("name", COMMANDS)
def test_bad_input_leaves_nothing_behind(name, run, tmp_path):
    target = TARGETS[name]
    seeds = target.seeds(tmp_path)
    for left in tmp_path.iterdir():
        left.unlink()
    (tmp_path / "good.jsonl").write_bytes(lines(*RECORDS))
    (tmp_path / "runs.jsonl").write_bytes(b"{}\n")
    if name == "verify":  # findings are no bad input: only what is no certificate at all
        seeds = [b"[" + text for text in seeds]
    for number in range(15):
        (tmp_path / "input").write_bytes(content_of(target, seeds, 2, number))
        run(*COMMANDS[name].format("input").split())


def test_names_cannot_steer_a_terminal(run_program, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    document = json.loads(certificates()[2])
    evil = "a\x1b[2J\x9b1m\u202e\nerror: fake"
    document["strata"][0]["name"] = evil
    name = "b\x1b]0;owned\x07.json"
    (tmp_path / name).write_text(json.dumps(document))
    code, shown, told = run_program(main, "pacbayes", "verify", name)
    assert code == 4
    code, more, _ = run_program(main, "pacbayes", "report", name, "--out", "c\x1b[2J.html")
    assert code == 0
    refused = run_program(main, "pacbayes", "verify", "no\x1b[2J.json")
    for text in (shown, told, more, *refused[1:]):
        assert all(line.isprintable() for line in text.split("\n")), ascii(text)
    assert "\\u001b[2J" in more
