"""Every target of the campaign with a few of its inputs, and readers at fault on purpose."""

import json
import time
import warnings

import pytest

from benchmarks.fuzzing import campaign
from benchmarks.fuzzing.campaign import attack, content_of
from benchmarks.fuzzing.target import Target
from benchmarks.fuzzing.targets import TARGETS
from pacbayes.errors import InputError

INPUTS = 400


@pytest.mark.parametrize("name", TARGETS)
def test_no_input_is_unhandled(name):
    found = attack(TARGETS[name], INPUTS, seed=1)
    assert {number: text for number, (text, _) in found.unhandled.items()} == {}
    assert found.accepted + found.refused == INPUTS
    assert found.accepted >= INPUTS // 100  # what is refused at once tells nothing of what follows


def broken(read, content=b'{"a": [1, {"b": 2}]}'):
    return Target(name="broken", seeds=lambda _: [content], read=read)


def raises(error):
    def read(_, content):
        if b'"a"' not in content:
            raise error

    return read


def warns(_, content):
    warnings.warn("shown to the user", stacklevel=1)


def descends(_, content):
    return descends(_, content)


@pytest.mark.parametrize(
    ("read", "told"),
    [
        (raises(ValueError("no")), "ValueError: 'no' (elsewhere)"),
        (raises(SystemExit(1)), "SystemExit"),
        (raises(MemoryError()), "MemoryError"),
        (warns, "UserWarning: 'shown to the user'"),
        (descends, "RecursionError"),
        (lambda _, content: json.loads(content), "JSONDecodeError"),
    ],
)
def test_a_reader_at_fault_is_found(read, told):
    found = attack(broken(read), 200, seed=0)
    assert any(text.startswith(told) for text, _ in found.unhandled.values()), found.unhandled
    assert found.accepted + found.refused + len(found.unhandled) == 200


def test_a_refusal_must_be_one_line(monkeypatch):
    class LooseError(InputError):
        def __str__(self):
            return "two\nlines"

    found = attack(broken(raises(LooseError(""))), 200, seed=0)
    assert next(iter(found.unhandled.values()))[0].startswith("a refusal that is not one line")


def test_a_reader_that_hangs_is_stopped(monkeypatch):
    monkeypatch.setattr(campaign, "SECONDS", 0.05)
    found = attack(broken(lambda *_: time.sleep(60)), 1, seed=0)
    assert found.unhandled[0][0] == "takes more than 0.05 s"


def test_memory_that_is_kept_is_noticed(monkeypatch):
    sizes = iter((2**30, 2**30 + campaign.GROWTH + 1))
    assert campaign._resident() > 2**20
    monkeypatch.setattr(campaign, "_resident", lambda: next(sizes))
    found = attack(broken(lambda *_: None), 100, seed=0)
    assert "memory grew" in found.unhandled[100][0]


def test_an_input_is_a_function_of_seed_and_number(tmp_path):
    target = TARGETS["jsonl-data"]
    seeds = target.seeds(tmp_path)
    inputs = [content_of(target, seeds, 3, number) for number in range(200)]
    assert inputs == [content_of(target, seeds, 3, number) for number in range(200)]
    assert len(set(inputs)) > 180
    assert inputs[50:] != [content_of(target, seeds, 4, number) for number in range(50, 200)]
