"""Running a command in a fork of this process, which has imported all that it needs."""

from __future__ import annotations

import json
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from benchmarks.faults.kinds import SIGNALS, Fault, meet
from pacbayes.cli import bound_main, main
from pacbayes.cli.stopping import deaf

_PROGRAMS = {"pacbayes": main, "pacbayes-bound": bound_main}
HUNG = -999
"""The code of a process that did not end by itself for so long that it hangs."""
_PATIENCE = 300.0
_LEFT_ALIVE = 3.0
_COLD = (
    "import sys; from pacbayes.cli import bound_main, main; "
    "sys.exit((bound_main if sys.argv[0] == 'pacbayes-bound' else main)())"
)


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a process ended.

    Attributes:
        code: Its exit code; of a signal, less than 0.
        said: What it wrote to stdout and stderr.
        seconds: How long it took.
        events: Calls of its own that changed the folder.
        modules: What it has imported beyond this process, if it ended by itself.
        orphans: Whether processes of its own outlived it.
    """

    code: int
    said: str
    seconds: float
    events: int
    modules: tuple[str, ...]
    orphans: bool


def forked(words: tuple[str, ...], folder: Path, fault: Fault | None) -> Ended:
    """Run a command in a folder, where it meets a fault, and wait for its end."""
    said, told = os.pipe(), os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    process = os.fork()
    if process == 0:
        _run(words, folder, fault, said[1], told[1])
    os.close(said[1])
    os.close(told[1])
    os.read(told[0], 1)  # it is about to begin
    started = time.monotonic()
    code = _ended(process, fault, started)
    seconds = time.monotonic() - started
    orphans = _outlived(process)
    notes = json.loads(_rest(told[0]) or "{}")
    return Ended(
        code=code,
        said=_rest(said[0]).decode(errors="replace"),
        seconds=seconds,
        events=notes.get("events", 0),
        modules=tuple(notes.get("modules", ())),
        orphans=orphans,
    )


def apart(make: Callable[[], None]) -> None:
    """Call a function in a fork, as it may start threads, with which a process cannot be forked.

    Raises:
        RuntimeError: It did not end well.
    """
    process = os.fork()
    if process == 0:
        code = 1
        try:
            make()
            code = 0
        except BaseException:
            traceback.print_exc()
        os._exit(code)
    if os.waitpid(process, 0)[1]:
        raise RuntimeError(f"{make} failed")


def cold(words: tuple[str, ...], folder: Path, fault: Fault | None) -> Ended:
    """As `forked` in a new interpreter: imports take most of the time. Faults of a time only."""
    started = time.monotonic()
    with (folder / "said").open("w+b") as said:
        program = [sys.executable, "-c", f"import sys; sys.argv[0] = {words[0]!r}; {_COLD}"]
        running = subprocess.Popen(
            [*program, *words[1:]], cwd=folder, stdout=said, stderr=said, start_new_session=True
        )
        code = _ended(running.pid, fault, started)
        running.returncode = code
        seconds = time.monotonic() - started
        orphans = _outlived(running.pid)
        said.seek(0)
        text = said.read().decode(errors="replace")
    return Ended(code=code, said=text, seconds=seconds, events=0, modules=(), orphans=orphans)


def _run(
    words: tuple[str, ...], folder: Path, fault: Fault | None, said: int, told: int
) -> NoReturn:
    """The life of a fork."""
    known = set(sys.modules)
    code: Any = 1
    os.setpgid(0, 0)
    os.chdir(folder)
    os.dup2(said, 1)
    os.dup2(said, 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # workers are forks too: a new interpreter would take seconds to import what they need
    fork = multiprocessing.get_context("fork")
    multiprocessing.get_context = lambda _method=None: fork  # type: ignore[assignment]
    sys.argv = list(words)
    for number in (signal.SIGINT, signal.SIGTERM):
        # before a command listens, and after, they are the interpreter's affair
        signal.signal(number, lambda *_: None)
    counter = meet(fault, folder / "out")
    os.write(told, b"!")
    try:
        _PROGRAMS[words[0]]()
    except SystemExit as end:
        deaf()  # as at the interpreter's exit
        code = end.code or 0
    except BaseException:
        traceback.print_exc()
    with suppress(OSError):
        sys.stdout.flush()
    modules = sorted(set(sys.modules) - known)
    os.write(told, json.dumps({"events": counter.seen, "modules": modules}).encode())
    os._exit(code if isinstance(code, int) else 1)


def _ended(process: int, fault: Fault | None, started: float) -> int:
    """Wait for the end of a process, and be what it meets at a time."""
    strike = None if fault is None or fault.moment != "time" else _blow(process, fault)
    pause = 0.0005
    while True:
        found, status = os.waitpid(process, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        passed = time.monotonic() - started
        if passed > _PATIENCE:
            os.killpg(process, signal.SIGKILL)
            os.waitpid(process, 0)
            return HUNG
        if strike is not None and fault is not None and passed >= fault.at and strike():
            strike = None
        time.sleep(pause)


def _blow(process: int, fault: Fault) -> Callable[[], bool]:
    """What happens to the process: whether it has happened."""
    if fault.kind == "lost worker":
        return lambda: _lose_a_worker(process)

    def signalled() -> bool:
        with suppress(ProcessLookupError):
            if fault.kind == "SIGINT":  # as a terminal does
                os.killpg(process, SIGNALS[fault.kind])
            else:
                os.kill(process, SIGNALS[fault.kind])
        return True

    return signalled


def _lose_a_worker(process: int) -> bool:
    """Kill the youngest process of a process, if it has one by now."""
    with suppress(OSError):
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
        if children:
            os.kill(int(children[-1]), signal.SIGKILL)
            return True
    return False


def _outlived(group: int) -> bool:
    """Whether a process of the group is still there after a while; it is killed then."""
    until = time.monotonic() + _LEFT_ALIVE
    while time.monotonic() < until:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return False
        if all(_is_zombie(entry) for entry in _members(group)):
            return False
        time.sleep(0.002)
    os.killpg(group, signal.SIGKILL)
    return True


def _members(group: int) -> list[Path]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if os.getpgid(int(entry.name)) == group:
                found.append(entry)
    return found


def _is_zombie(entry: Path) -> bool:
    try:
        return (entry / "stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def _rest(pipe: int) -> bytes:
    """What is in a pipe; another process may have it open still."""
    os.set_blocking(pipe, False)
    found = b""
    with suppress(BlockingIOError):
        while block := os.read(pipe, 1 << 16):
            found += block
    os.close(pipe)
    return found
