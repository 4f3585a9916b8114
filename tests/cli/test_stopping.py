"""What stops a command, its exit code and the one line it leaves."""

import os
import signal
import subprocess
import sys
import time

import pytest

from pacbayes.cli import bound_main
from pacbayes.cli.stopping import stoppable
from pacbayes.errors import WriteError

GO_ON = "interrupted; run the same command again to go on from here.\n"


def of_a_library():
    try:
        os.kill(os.getpid(), signal.SIGINT)
    except KeyboardInterrupt as error:
        raise RuntimeError("lost in C++") from error


class Finalizer:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)


def of_a_finalizer():
    Finalizer()
    time.sleep(600)  # ends with the signal that comes again


@pytest.mark.parametrize(
    ("stops", "code", "line"),
    [
        (lambda: os.kill(os.getpid(), signal.SIGINT), 130, GO_ON),
        (lambda: os.kill(os.getpid(), signal.SIGTERM), 143, GO_ON),
        (of_a_library, 130, GO_ON),
        (of_a_finalizer, 143, GO_ON),
        (
            lambda: (_ for _ in ()).throw(WriteError("cannot be written: full.", path="out")),
            2,
            "error: out: cannot be written: full.\n",
        ),
        (
            lambda: (_ for _ in ()).throw(OSError(28, "No space left on device", "out/a")),
            2,
            "error: out/a: No space left on device.\n",
        ),
    ],
)
def test_one_line_and_a_code(stops, code, line, run_bound, monkeypatch):
    monkeypatch.setattr("pacbayes.data.sample.read_sample", lambda *_, **__: stops())
    handlers = [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)]
    assert run_bound("--checkpoint", "a", "--data", "b") == (code, "", line)
    assert [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)] == handlers


def test_an_error_that_nobody_asked_for_is_shown(monkeypatch):
    monkeypatch.setattr("sys.argv", ["pacbayes-bound", "--checkpoint", "a", "--data", "b"])
    monkeypatch.setattr("pacbayes.data.sample.read_sample", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        bound_main()


def test_a_signal_that_is_ignored_stays_so(monkeypatch):
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with stoppable() as stop:
            os.kill(os.getpid(), signal.SIGINT)
        assert stop.signal is None
    finally:
        signal.signal(signal.SIGINT, before)
    # ranks wait for one another in C, where no handler runs
    monkeypatch.setenv("WORLD_SIZE", "2")
    with stoppable():
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
def test_output_to_a_full_disk_is_one_line():
    program = "from pacbayes.cli import main; main()"
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-c", program, "--version"], stdout=full, stderr=subprocess.PIPE
        )
    assert done.returncode == 2
    assert done.stderr == (
        b"error: standard output, or a file that is open: No space left on device.\n"
    )
