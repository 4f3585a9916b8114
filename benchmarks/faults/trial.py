"""A run that is stopped, perhaps several times, and then left to finish: what goes wrong."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.faults.folder import contents, stamps, traces, unreadable
from benchmarks.faults.jobs import Job
from benchmarks.faults.kinds import Extent, Fault, Kind, drawn
from benchmarks.faults.process import Ended
from pacbayes.runs.reading import RUN_FILE

Launch = Callable[[tuple[str, ...], Path, Fault | None], Ended]
_MOST_FAULTS = 8
_BLOCK = 4096
_GO_ON = "interrupted; run the same command again to go on from here."
_CODES: dict[Kind, set[int]] = {
    "SIGINT": {130},
    "SIGTERM": {143},
    "SIGKILL": {-9, -25},
    "full disk": {2},
    "lost worker": {1},
}


@dataclass(frozen=True, kw_only=True)
class Reference:
    """An undisturbed run.

    Attributes:
        files: What it leaves.
        extent: What it takes.
    """

    files: dict[str, bytes]
    extent: Extent


@dataclass(kw_only=True)
class Tally:
    """What has been seen.

    Attributes:
        faults: Faults by job, kind and moment.
        landed: Faults by kind and by where they landed: before anything of the run was written,
            within its work, or after its end.
        problems: What went wrong.
    """

    faults: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    landed: Counter[tuple[str, str]] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)


def reference_of(job: Job, folder: Path, launch: Launch) -> tuple[Reference, Ended]:
    """Run a job undisturbed.

    Raises:
        RuntimeError: It does not end well.
    """
    out = _new(folder)
    ended = launch(job.words, folder, None)
    if ended.code != 0 or traces(out) or unreadable(out):
        raise RuntimeError(f"{' '.join(job.words)}: {ended}, {traces(out)}, {unreadable(out)}")
    sizes = [path.stat().st_size for path in out.rglob("*")]
    extent = Extent(
        seconds=ended.seconds,
        events=ended.events,
        largest=max(sizes),
        total=sum(-(-size // _BLOCK) * _BLOCK for size in sizes),
    )
    return Reference(files=contents(out), extent=extent), ended


def stopped_and_finished(
    name: str,
    job: Job,
    reference: Reference,
    folder: Path,
    launch: Launch,
    rng: random.Random,
    tally: Tally,
    *,
    mounts: bool,
    moments: Callable[[Fault], bool] = lambda _: True,
) -> int:
    """Let a new run of a job meet some faults and then finish: how many faults that were."""
    out = _new(folder)
    for met in range(1, 1 + (rng.randint(1, _MOST_FAULTS) if job.goes_on else 1)):
        fault = drawn(rng, job, reference.extent, mounts=mounts and met == 1)
        while not moments(fault):
            fault = drawn(rng, job, reference.extent, mounts=False)
        before, left = stamps(out), traces(out)
        with _small(out, fault):
            ended = launch(job.words, folder, fault)
            # its file system is gone with the context
            wrong = [*_wrong_with(ended, fault, job, out, left), *unreadable(out)]
            after = stamps(out)
        wrong += _lost(before, after) if fault.moment != "mount" else []
        landed = "after" if ended.code == 0 else "before" if after == before else "within"
        tally.faults[name, fault.kind, fault.moment] += 1
        tally.landed[fault.kind, landed] += 1
        tally.problems += [f"{name}, {fault}: {what}" for what in wrong]
        if landed == "after":
            break
    ended = launch(job.words, folder, None)
    if ended.code != 0:
        tally.problems.append(f"{name} after {fault}: did not finish: {ended}")
    tally.problems += [f"{name} after {fault}: {w}" for w in _differs(reference.files, out)]
    return met


def _wrong_with(
    ended: Ended, fault: Fault, job: Job, out: Path, earlier: list[str]
) -> Iterator[str]:
    """How the end of a run is not what it should be."""
    codes = _CODES[fault.kind]
    if job.workers and fault.moment in ("byte", "mount"):
        codes = codes | _CODES["lost worker"]  # the limit can be met by one of them
    if "Traceback" in ended.said or "Exception ignored" in ended.said:
        yield f"a traceback: {ended.said}"
    if ended.orphans:
        yield "a process of its own outlived it"
    if ended.code == 0:
        return
    if ended.code not in codes:
        yield f"exit code {ended.code}: {ended.said}"
    if fault.kind in ("SIGINT", "SIGTERM") and not ended.said.strip().endswith(_GO_ON):
        yield f"does not say how to go on: {ended.said}"
    lines = len(_errors(ended))
    if fault.kind == "full disk" and (lines == 0 or (lines > 1 and not job.workers)):
        yield f"not one line on the full disk: {ended.said}"
    if fault.kind == "lost worker" and "was killed by SIGKILL" not in ended.said:
        yield f"does not say which worker was lost: {ended.said}"
    # what was killed leaves its traces, and a signal can come while a run tidies up; the next
    # claim does that then
    if fault.kind == "full disk" and (left := set(traces(out)) - set(earlier)):
        yield f"leaves {sorted(left)}"


def _errors(ended: Ended) -> list[str]:
    lines = [line for line in ended.said.splitlines() if line.startswith("error: ")]
    return [line for line in lines if "cannot be written: " in line]


def _lost(before: dict[str, tuple[int, int]], after: dict[str, tuple[int, int]]) -> list[str]:
    """Finished cells that a run did not keep as they were."""
    return [
        f"{name} was finished, and is not the same"
        for name in before
        if name.endswith(f"/{RUN_FILE}") and after.get(name) != before[name]
    ]


def _differs(wanted: dict[str, bytes], out: Path) -> Iterator[str]:
    found = contents(out)
    yield from (f"{name} is missing" for name in wanted.keys() - found.keys())
    yield from (f"{name} is too much" for name in found.keys() - wanted.keys())
    for name in sorted(wanted.keys() & found.keys()):
        if found[name] != wanted[name]:
            yield f"{name} differs from that of an undisturbed run"
    yield from (f"{name} is left" for name in traces(out))


def _new(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "out").mkdir(parents=True)
    return folder / "out"


def can_mount(folder: Path) -> bool:
    """Whether this process may make file systems of a size of its own."""
    try:
        with _small(_new(folder), Fault(kind="full disk", moment="mount", at=_BLOCK)):
            return True
    except (OSError, subprocess.CalledProcessError):
        return False


@contextmanager
def _small(out: Path, fault: Fault) -> Iterator[None]:
    """A file system of so many bytes at `out`, if the fault asks for one; what is in it stays."""
    if fault.moment != "mount":
        yield
        return
    size = max(_BLOCK, int(fault.at) // _BLOCK * _BLOCK)
    options = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(out)]
    subprocess.run(options, check=True, capture_output=True)
    kept = out.with_name("kept")
    try:
        yield
        shutil.copytree(out, kept)
    finally:
        subprocess.run(["umount", str(out)], check=True)
    out.rmdir()
    os.rename(kept, out)
