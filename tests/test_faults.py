"""Commands that are stopped at 200 random moments leave readable files, and go on to the same."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
KINDS = ("SIGINT", "SIGTERM", "SIGKILL", "full disk")

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="processes are watched through /proc"
)


def stopped(*arguments):
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.faults", "--json", *map(str, arguments)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def test_two_hundred_faults():
    code, found = stopped("--trials", 200, "--seed", 1)
    assert found["problems"] == []
    assert code == 0
    assert found["faults"] >= 200
    landed = found["landed"]
    assert sum(sum(places.values()) for places in landed.values()) == found["faults"]
    assert min(landed[kind]["within"] for kind in KINDS) >= 3
    assert "lost worker" in landed  # tests/sweep/test_sweep.py loses one for certain


def test_files_that_are_written_in_place_are_found():
    code, found = stopped("--trials", 12, "--seed", 2, "--job", "report", "--plant", "in-place")
    assert code == 1
    assert any("report.html: ValueError: it has no end" in line for line in found["problems"])
