"""A worker does not outlive its sweep."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pacbayes.sweep.workers import _fate

SWEEP = """
import multiprocessing, os, sys, time
from pathlib import Path
from pacbayes.sweep import workers
from pacbayes.sweep.cells import Cell

fork = multiprocessing.get_context("fork")  # a new interpreter takes seconds to import
multiprocessing.get_context = lambda _: fork

def sleeps(study, cell, folder):
    print(os.getpid(), flush=True)
    time.sleep(600)

cells = [Cell(stratum=name, budget=1, seed=0) for name in "ab"]
workers.attempt_all(sleeps, None, cells, Path(sys.argv[1]), 2, done=print)
"""


def runs(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")
@pytest.mark.parametrize("stopped_by", [signal.SIGKILL, signal.SIGINT])
def test_workers_end_with_the_sweep(tmp_path, stopped_by):
    sweep = subprocess.Popen(
        [sys.executable, "-c", SWEEP, tmp_path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    pids = [int(sweep.stdout.readline()) for _ in range(2)]
    os.kill(sweep.pid, stopped_by)
    sweep.wait()
    sweep.stdout.close()
    until = time.monotonic() + 30
    while any(map(runs, pids)) and time.monotonic() < until:
        time.sleep(0.01)
    left = [pid for pid in pids if runs(pid)]
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert left == []


def test_the_fate_of_a_process_in_words():
    assert _fate(1) == "its process ended with exit code 1"
    assert _fate(-9) == "its process was killed by SIGKILL (for its memory?)"
    assert _fate(-15) == "its process was killed by SIGTERM"
