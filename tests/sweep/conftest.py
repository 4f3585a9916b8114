"""A pool, tests and a target from the shipped sample, and the verb on them."""

import hashlib
import json
import sys
from importlib.resources import files
from pathlib import Path

import pytest

from pacbayes.cli import main

SAMPLE = Path(str(files("pacbayes.sample")))
LEVELS = ("easy", "medium", "hard")


def first_lines(name, n):
    return [
        line
        for level in LEVELS
        for line in (SAMPLE / "data" / f"{level}{name}.jsonl").read_text().splitlines()[:n]
    ]


@pytest.fixture(scope="session")
def inputs(tmp_path_factory):
    """Folder with `pool.jsonl`, `test.jsonl` and `target.jsonl`; 120, 18 and 6 problems."""
    folder = tmp_path_factory.mktemp("inputs")
    held_out = first_lines(".held_out", 8)
    for name, lines in (
        ("pool", first_lines("", 40)),
        ("test", [line for i, line in enumerate(held_out) if i % 8 < 6]),
        ("target", [line for i, line in enumerate(held_out) if i % 8 >= 6]),
    ):
        (folder / f"{name}.jsonl").write_text("".join(line + "\n" for line in lines))
    return folder


@pytest.fixture(scope="session")
def options(inputs):
    """Of a sweep of two cells, apart from `--out`."""
    return {
        "base": SAMPLE / "base",
        "pool": inputs / "pool.jsonl",
        "test": inputs / "test.jsonl",
        "target": inputs / "target.jsonl",
        "windows": "3:4,5:10",
        "budgets": "16",
        "steps": 2,
        "objective": "bound",
        "lora-targets": "q_proj,v_proj",
    }


@pytest.fixture(scope="session")
def run_sweep(options):
    """Runs the sweep of the options into a folder; returns its exit code."""

    def call(out, *more):
        given = [str(x) for key, value in options.items() for x in (f"--{key}", value)]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", ["pacbayes", "sweep", *given, "--out", str(out), *more])
            with pytest.raises(SystemExit) as stop:
                main()
        return stop.value.code or 0

    return call


@pytest.fixture(scope="session")
def swept(tmp_path_factory, run_sweep):
    """A finished sweep of the options."""
    out = tmp_path_factory.mktemp("swept") / "out"
    assert run_sweep(out) == 0
    return out


@pytest.fixture
def contents():
    """What in a sweep's folder must not depend on when and where its cells were made."""
    names = ("run.json", "train.jsonl", "adapter_model.safetensors", "pacbayes.json")

    def of(folder):
        files = [file for run in folder.glob("*/run.json") for file in map(run.with_name, names)]
        return {
            str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
            for file in files
        }

    return of


@pytest.fixture
def run(run_program):
    """Runs `pacbayes sweep`; returns exit code, stdout and stderr."""

    def call(values, *more):
        given = [str(x) for key, value in values.items() for x in (f"--{key}", value)]
        return run_program(main, "pacbayes", "sweep", *given, *more)

    return call


@pytest.fixture
def read():
    """Reads a JSON file."""
    return lambda path: json.loads(Path(path).read_text())
