"""Making the cells of a sweep that are not there yet."""

from __future__ import annotations

import json
import shutil
import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pacbayes.certify import Track, untold
from pacbayes.models.writing import write_atomically
from pacbayes.runs import Run
from pacbayes.runs.reading import RUN_FILE
from pacbayes.sweep.cell import Study, run_cell
from pacbayes.sweep.cells import Cell

FAILED_FILE = "failed.json"
FAILED_SCHEMA = "pacbayes.failed_cell/1"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of the cells of a sweep.

    Attributes:
        runs: Finished cells by name.
        failed: The errors of the others by name.
    """

    runs: dict[str, Run]
    failed: dict[str, str]


def sweep(
    study: Study,
    cells: Sequence[Cell],
    out: Path,
    *,
    track: Track = untold,
    tell: Callable[[str], None] = lambda _: None,
) -> Outcome:
    """Make the cells one after the other; finished ones are kept, unfinished ones made anew.

    A cell is a function of study and cell, so a sweep that was killed and started again gives what
    an uninterrupted one gives. A cell that fails leaves `failed.json`, and the others go on.

    Args:
        study: What all cells have in common.
        cells: The cells.
        out: The sweep's folder.
        track: Told about stages and progress of certifying.
        tell: Told a line about each cell.
    """
    runs, failed = {}, {}
    for number, cell in enumerate(cells, start=1):
        place, folder = f"{number}/{len(cells)} {cell.name}", out / cell.name
        if (folder / RUN_FILE).is_file():
            runs[cell.name] = Run.read(folder / RUN_FILE)
            tell(f"{place}: finished before")
            continue
        shutil.rmtree(folder, ignore_errors=True)
        try:
            run = runs[cell.name] = run_cell(study, cell, folder, track)
        except Exception as error:  # whatever it is, it is this cell's alone
            failed[cell.name] = _note_failure(cell, error, folder)
            tell(f"{place}: failed, {failed[cell.name]}")
            continue
        tell(f"{place}: {_told(run)}")
    return Outcome(runs=runs, failed=failed)


def _told(run: Run) -> str:
    return (
        f"risk on its own data {run.empirical_risk:.3f}, certified below "
        f"{run.risk_bound[1]:.3f}, KL {run.kl:.0f} nats"
    )


def _note_failure(cell: Cell, error: Exception, folder: Path) -> str:
    what = f"{type(error).__name__}: {error}"
    note = {
        "schema": FAILED_SCHEMA,
        "cell": asdict(cell),
        "error": what,
        "traceback": traceback.format_exception(error),
    }
    text = json.dumps(note, indent=2) + "\n"
    write_atomically(folder / FAILED_FILE, text.encode())
    return " ".join(what.split())
