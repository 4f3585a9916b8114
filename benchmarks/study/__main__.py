"""A whole study in one command, which goes on where it was stopped.

``python -m benchmarks.study igsm --size cpu --out DIR`` pretrains the two base models, writes the
data, and makes the cells of `pacbayes sweep` for each base. ``--minutes 9`` starts no cell after
so long; run it again until it says that none is left. ``--base weak`` makes the cells of one base,
so that two processes can share the work. Finished runs are written to ``--results``.
"""

from __future__ import annotations

import argparse
import importlib
import json
import math
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from benchmarks.study.mixtures import is_wanted, mixtures_of
from benchmarks.study.size import BASES, Size
from pacbayes.files import write_atomically
from pacbayes.models.loading import OpenOptions
from pacbayes.models.opening import open_fine_tuned
from pacbayes.runs import read_runs
from pacbayes.runs.reading import RUN_FILE
from pacbayes.stratum import losses_at_prior
from pacbayes.sweep.cell import Study, settings_of
from pacbayes.sweep.cells import Cell, cells_of
from pacbayes.sweep.run import sweep
from pacbayes.sweep.samples import read_part
from pacbayes.sweep.study import Inputs, SetUp, set_up

RESULTS = Path(__file__).parents[1] / "results" / "study"
SUBJECTS = ("igsm", "language")


def noted(path: Path, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What a stage returned, which is done once and noted in a file."""
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        started = time.process_time()
        note = make()
        note["cpu_seconds"] = round(time.process_time() - started)
        write_atomically(path, (json.dumps(note, indent=1) + "\n").encode())
    return _noted(path)


def inputs_of(size: Size, data: Path, base: Path) -> Inputs:
    """What `pacbayes sweep` is told."""
    return Inputs(
        base=base,
        pool=data / "pool.jsonl",
        rules=size.rules,
        strata_levels=None,
        mixtures=mixtures_of(list(size.rules)),
        test=(data / "tests.jsonl",),
        held_out_share=0.1,
        target=data / "target.jsonl",
        recipe=size.recipe,
    )


def make_cells(ready: SetUp, cells: Sequence[Cell], deadline: float, workers: int) -> int:
    """Make cells until there is no more time; how many are left."""
    waiting = [c for c in cells if not (ready.out / c.name / RUN_FILE).is_file()]
    while waiting and time.monotonic() < deadline:
        now, waiting = waiting[:workers], waiting[workers:]
        started = time.monotonic()
        outcome = sweep(ready.study, now, ready.out, workers=workers, tell=_tell)
        _tell(f"{time.monotonic() - started:.0f} s, {len(waiting)} to go")
        if outcome.failed:
            raise SystemExit("a cell failed; run the command again when the cause is gone.")
    return len(waiting)


def risks_of_base(study: Study, cell: Cell, out: Path) -> dict[str, Any]:
    """The base's risk on each stratum's tests, through a checkpoint whose prior it is."""
    model = open_fine_tuned(OpenOptions(checkpoint=out / cell.name, device=study.recipe.device))
    scorer = settings_of(study.recipe, cell).scorer(model)
    found = {}
    for name, path in study.tests.items():
        units = read_part(path, name).encode(model.tokenizer, max_length=model.context)
        (losses,) = losses_at_prior(scorer, units)
        found[name] = {"mean": float(losses.mean()), "n": len(units)}
    return found


def record(subject: str, label: str, size: Size, out: Path, results: Path) -> None:
    """Write the finished runs of each base, and how they were made."""
    results.mkdir(parents=True, exist_ok=True)
    note = {
        "subject": subject,
        "size": label,
        "command": f"python -m benchmarks.study {subject} --size {label}",
        "commit": _commit(),
        "device": _device(size.recipe.device),
        "versions": _versions(),
        "strata": [
            {"name": name, "low": low, "high": high}
            for name, (low, high) in zip(size.rules, size.windows, strict=True)
        ],
        "budgets": size.budgets,
        "seeds": size.seeds,
        "mixtures": mixtures_of(list(size.rules)),
        "target": {
            "weights": dict.fromkeys(size.rules, 1 / len(size.rules)),
            "n": size.n_target,
        },
        "recipe": asdict(size.recipe),
        "data": _noted(out / "data" / "data.json"),
        "bases": {},
    }
    for base in BASES:
        if not (out / base / "base.json").is_file():
            continue
        runs = read_runs(out / base).runs
        lines = "".join(json.dumps(run.to_dict()) + "\n" for run in runs)
        write_atomically(results / f"{subject}.{label}.{base}.jsonl", lines.encode())
        note["bases"][base] = {
            **_noted(out / f"base.{base}.json"),
            "tests": _noted(out / base / "base.json"),
        }
    text = json.dumps(note, indent=1) + "\n"
    write_atomically(results / f"{subject}.{label}.json", text.encode())


def _noted(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def _commit() -> str:
    done = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def _device(name: str) -> str:
    if name.startswith("cuda"):
        return torch.cuda.get_device_name(name)
    return f"{os.cpu_count()} cores {platform.machine()}, {torch.get_num_threads()} threads"


def _versions() -> dict[str, str]:
    import peft
    import transformers

    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "peft": peft.__version__,
    }


def _tell(line: str) -> None:
    print(line, flush=True)


def main() -> None:
    """Make what is not there yet, until the time is over."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("subject", choices=SUBJECTS)
    parser.add_argument("--size", default="cpu")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--base", choices=BASES, action="append", help="default: both")
    parser.add_argument("--minutes", type=float, default=math.inf)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0, help="of data and pretraining")
    parser.add_argument("--results", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    deadline = time.monotonic() + 60 * arguments.minutes
    subject = importlib.import_module(f"benchmarks.study.{arguments.subject}")
    if arguments.size not in subject.SIZES:
        parser.error(f"--size must be one of {', '.join(subject.SIZES)}")
    size, out = subject.SIZES[arguments.size], arguments.out
    data = out / "data"
    noted(data / "data.json", lambda: subject.write_data(size, data, seed=arguments.seed))
    left = sum(
        make_base(subject, name, size, arguments, deadline) for name in arguments.base or BASES
    )
    record(arguments.subject, arguments.size, size, out, arguments.results)
    if left:
        sys.exit(f"{left} cells are left; run the command again to go on.")


def make_base(
    subject: Any, name: str, size: Size, arguments: argparse.Namespace, deadline: float
) -> int:
    """A base model and its cells; how many cells are left."""
    out: Path = arguments.out
    folder = out / f"base.{name}"

    def pretrained() -> dict[str, Any]:
        found: dict[str, Any] = subject.pretrain(name, size, folder, seed=arguments.seed, log=_tell)
        return found

    noted(out / f"base.{name}.json", pretrained)
    ready = set_up(inputs_of(size, out / "data", folder), out / name)
    ready.write()
    names = [*ready.study.rules, *ready.study.mixtures]
    grid = cells_of(names, size.budgets, size.seeds)
    cells = [cell for cell in grid if is_wanted(cell.stratum, cell.budget)]
    left = make_cells(ready, cells, deadline, arguments.workers)
    first = next((c for c in cells if (ready.out / c.name / RUN_FILE).is_file()), None)
    if first is not None:
        noted(ready.out / "base.json", lambda: risks_of_base(ready.study, first, ready.out))
    return left


if __name__ == "__main__":
    main()
