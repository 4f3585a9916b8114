"""Faults, and how a process is made to meet one."""

from __future__ import annotations

import errno
import os
import random
import resource
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from benchmarks.faults.jobs import Job

Kind = Literal["SIGINT", "SIGTERM", "SIGKILL", "full disk", "lost worker"]
Moment = Literal["time", "event", "byte", "mount"]

SIGNALS: dict[Kind, signal.Signals] = {
    "SIGINT": signal.SIGINT,
    "SIGTERM": signal.SIGTERM,
    "SIGKILL": signal.SIGKILL,
}
_EVENTS = {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.truncate"}
_TAKING_SPACE = {"open", "os.mkdir", "os.rename"}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What happens, and when.

    Attributes:
        kind: What.
        moment: What `at` counts: seconds from the start ("time"), calls that change the folder
            ("event"), bytes of one file ("byte"), or bytes of a file system of its own ("mount").
        at: When.
    """

    kind: Kind
    moment: Moment
    at: float


@dataclass(frozen=True, kw_only=True)
class Extent:
    """How much of each an undisturbed run takes."""

    seconds: float
    events: int
    largest: int
    total: int


def drawn(rng: random.Random, job: Job, extent: Extent, *, mounts: bool) -> Fault:
    """A fault at a random moment of a job; as often as not, a kill in the middle of a file."""
    kinds: list[Kind] = ["SIGINT", "SIGTERM", "SIGKILL", "full disk"]
    kind = "lost worker" if job.workers and rng.random() < 0.5 else rng.choice(kinds)
    moments: dict[Kind, list[Moment]] = {
        "SIGINT": ["time", "event"],
        "SIGTERM": ["time", "event"],
        "SIGKILL": ["time", "event", "byte"],
        "full disk": ["event", "byte", *(["mount"] if mounts else [])],
        "lost worker": ["time"],
    }
    moment = rng.choice(moments[kind])
    most = {
        "time": extent.seconds,
        "event": extent.events,
        "byte": extent.largest,
        "mount": extent.total,
    }[moment]
    # small files are many: half of the limits are drawn by their logarithm
    at = most ** rng.random() if moment == "byte" and rng.random() < 0.5 else most * rng.random()
    return Fault(kind=kind, moment=moment, at=at)


class Counter:
    """Counts the calls of this process that change a folder, and lets one of them meet a fault."""

    def __init__(self, folder: Path, fault: Fault | None) -> None:
        self.seen = 0
        self._folder, self._fault, self._process = str(folder), fault, os.getpid()

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        """What `sys.addaudithook` calls."""
        if event not in _EVENTS or os.getpid() != self._process or not self._changes(arguments):
            return
        if event == "open" and not (arguments[2] or 0) & _WRITING:
            return
        self.seen += 1
        fault = self._fault
        if fault is None or fault.moment != "event" or self.seen <= fault.at:
            return
        if fault.kind == "full disk":  # and it stays full
            if event in _TAKING_SPACE:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), arguments[0])
        elif self.seen - 1 <= fault.at:
            os.kill(self._process, SIGNALS[fault.kind])

    def _changes(self, arguments: tuple[Any, ...]) -> bool:
        place = arguments[0]
        if not isinstance(place, str | bytes | os.PathLike):
            return False
        return os.path.abspath(os.fsdecode(place)).startswith(self._folder)


def meet(fault: Fault | None, folder: Path) -> Counter:
    """Arm this process: what it meets by itself is a signal or an error in a call, or a limit."""
    counter = Counter(folder, fault)
    sys.addaudithook(counter)
    if fault is not None and fault.moment == "byte":
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(fault.at), resource.RLIM_INFINITY))
        # past the limit a write fails, as on a full disk; or it is the process's last
        ends = signal.SIG_DFL if fault.kind == "SIGKILL" else signal.SIG_IGN
        signal.signal(signal.SIGXFSZ, ends)
    return counter
