"""Stop commands at random moments, and see what they leave and whether they go on to the same.

``python -m benchmarks.faults --trials 200 --seed 0`` prints a table, ``--json`` the figures; it
ends with 1 if anything went wrong. A fault is a Ctrl-C, a SIGTERM, a kill -9, a full disk, or the
kill of a worker of `pacbayes sweep`. After each, every file must be readable; in the end the folder
must be that of an undisturbed run, byte for byte but for the times in it. Commands are forks of
this process, workers included. ``--cold 20`` stops so many in interpreters of their own beside.
``--plant in-place`` writes files in their places: the twin that must fail.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import json
import math
import os
import random
import resource
import signal
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks.faults.inputs import write_inputs
from benchmarks.faults.jobs import JOBS
from benchmarks.faults.kinds import Fault
from benchmarks.faults.process import apart, cold, forked
from benchmarks.faults.trial import (
    Launch,
    Reference,
    Tally,
    can_mount,
    reference_of,
    stopped_and_finished,
)
from pacbayes import files

_MANY_MODULES = 20


def references(names: list[str], root: Path) -> dict[str, Reference]:
    """Undisturbed runs of the jobs; one that had to import much is made again, to be timed."""
    found = {}
    for name in names:
        folder = root / name
        found[name], first = reference_of(JOBS[name], folder, forked)
        for module in first.modules:
            with suppress(ImportError):
                importlib.import_module(module)
        if len(first.modules) > _MANY_MODULES:
            found[name], _ = reference_of(JOBS[name], folder, forked)
        if name == "passes":
            content = (folder / "out" / "certificate.json").read_bytes()
            (root / "in" / "certificate.json").write_bytes(content)
    return found


def measured(
    names: list[str], trials: int, n_cold: int, root: Path, seed: int, minutes: float
) -> dict[str, Any]:
    """Stop the jobs so often, and tell what was seen."""
    started, rng, tally = time.monotonic(), random.Random(seed), Tally()
    (root / "in").mkdir()
    apart(partial(write_inputs, root / "in"))
    found = references(["passes", *(name for name in names if name != "passes")], root)
    if len(os.listdir("/proc/self/task")) > 1:
        warnings.warn("this process has threads; its forks may hang", stacklevel=2)
    gc.collect()
    gc.freeze()  # or each fork copies what it collects
    mounts = can_mount(root / "run")
    done, until = 0, started + 60 * minutes
    while done < trials and time.monotonic() < until:
        (name,) = rng.choices(names, [JOBS[name].weight for name in names])
        done += stopped_and_finished(
            name, JOBS[name], found[name], root / "run", forked, rng, tally, mounts=mounts
        )
    tally_cold = _cold(names, found, n_cold, root, rng, until)
    return {
        "seed": seed,
        "faults": done,
        "seconds": round(time.monotonic() - started, 1),
        "cpu_seconds": round(_cpu_seconds(), 1),
        "mounts": mounts,
        **_figures(tally),
        "cold": _figures(tally_cold),
    }


def _cold(
    names: list[str],
    found: dict[str, Reference],
    n: int,
    root: Path,
    rng: random.Random,
    until: float,
) -> Tally:
    tally, done, known = Tally(), 0, {}
    launch: Launch = cold
    while done < n and time.monotonic() < until:
        (name,) = rng.choices(names, [JOBS[name].weight for name in names])
        if name not in known:
            known[name], _ = reference_of(JOBS[name], root / "cold", launch)
            if known[name].files != found[name].files:
                tally.problems.append(f"{name}: a fork and a new interpreter differ")
        done += stopped_and_finished(
            name,
            JOBS[name],
            known[name],
            root / "cold",
            launch,
            rng,
            tally,
            mounts=False,
            moments=_at_a_time,
        )
    return tally


def _at_a_time(fault: Fault) -> bool:
    return fault.moment == "time"


def _figures(tally: Tally) -> dict[str, Any]:
    """The counts by kind and where, by job, and by kind and moment."""
    kinds = sorted({kind for kind, _ in tally.landed})
    places = ("before", "within", "after")
    by_job: Counter[str] = Counter()
    by_moment: Counter[str] = Counter()
    for (job, kind, moment), count in tally.faults.items():
        by_job[job] += count
        by_moment[f"{kind}, {moment}"] += count
    return {
        "landed": {k: {p: tally.landed[k, p] for p in places} for k in kinds},
        "by_job": dict(sorted(by_job.items())),
        "by_moment": dict(sorted(by_moment.items())),
        "problems": tally.problems,
    }


def _cpu_seconds() -> float:
    uses = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(use.ru_utime + use.ru_stime for use in uses)


@contextmanager
def _in_place(path: Path) -> Iterator[Path]:
    yield path


def main() -> None:
    """Stop the commands and show the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=200, help="faults, at least")
    parser.add_argument("--cold", type=int, default=0, help="faults in new interpreters")
    parser.add_argument("--minutes", type=float, default=math.inf, help="fewer after so long")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--job", choices=JOBS, action="append", help="default: all")
    parser.add_argument("--plant", choices=["in-place"], help="a defect to be found")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if arguments.plant:
        files.in_place_of = _in_place
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in a shell's background
    torch.set_num_threads(1)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    with tempfile.TemporaryDirectory() as folder:
        found = measured(
            arguments.job or list(JOBS),
            arguments.trials,
            arguments.cold,
            Path(folder).resolve(),
            arguments.seed,
            arguments.minutes,
        )
    problems = [*found["problems"], *found["cold"]["problems"]]
    print(json.dumps(found, indent=1) if arguments.json else _table(found))
    sys.exit(1 if problems else 0)


def _table(found: dict[str, Any]) -> str:
    lines = [f"{'fault':<12} before within  after"]
    for kind, places in found["landed"].items():
        lines.append(f"{kind:<12}" + "".join(f"{count:7}" for count in places.values()))
    lines.append(f"{found['faults']} faults, {found['cpu_seconds']} s of CPU")
    return "\n".join([*lines, *found["problems"], *found["cold"]["problems"]])


if __name__ == "__main__":
    main()
