"""Making the cells of a sweep that are not there yet."""

from __future__ import annotations

import json
import shutil
import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pacbayes.certify import Track, untold
from pacbayes.errors import WriteError
from pacbayes.files import claimed, write_atomically
from pacbayes.runs import Run
from pacbayes.runs.reading import RUN_FILE
from pacbayes.sweep.cell import Study, run_cell
from pacbayes.sweep.cells import FAILED_FILE, Cell
from pacbayes.sweep.workers import Engine, attempt_all

FAILED_SCHEMA = "pacbayes.failed_cell/1"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of the cells of a sweep.

    Attributes:
        runs: Finished cells by name.
        failed: The errors of the others by name.
    """

    runs: dict[str, Run] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


def sweep(
    study: Study,
    cells: Sequence[Cell],
    out: Path,
    *,
    workers: int = 1,
    engine: Engine | None = None,
    track: Track = untold,
    tell: Callable[[str], None] = lambda _: None,
) -> Outcome:
    """Make the cells; finished ones are kept, unfinished ones made anew.

    A cell is a function of study and cell, so a sweep that was killed and started again gives what
    an uninterrupted one gives. A cell that fails leaves `failed.json`, and the others go on.

    Args:
        study: What all cells have in common.
        cells: The cells.
        out: The sweep's folder.
        workers: Cells at a time, at least 1; with 1 they are made in this process.
        engine: Makes them in other processes, however many at a time; those of this machine by
            default.
        track: Told about stages and progress of certifying, by this process.
        tell: Told a line about each cell.

    Raises:
        InputError: A file of the sweep cannot be read or written, or another process makes cells
            in the folder.
    """
    found = Outcome()
    waiting = [cell for cell in cells if not (out / cell.name / RUN_FILE).is_file()]

    def ended(cell: Cell, fate: str = "") -> None:
        folder = out / cell.name
        if (folder / RUN_FILE).is_file():
            found.runs[cell.name] = Run.read(folder / RUN_FILE)
            line = _told(found.runs[cell.name])
        else:
            found.failed[cell.name] = _failure(cell, folder, fate)
            line = f"failed, {found.failed[cell.name]}"
        ready = len(found.runs) + len(found.failed)
        before = ", finished before" if cell not in waiting else ""
        tell(f"{ready}/{len(cells)} {cell.name}: {line}{before}")

    with claimed(out):
        for cell in cells:
            if cell not in waiting:
                ended(cell)
        if engine is not None or workers > 1:
            make = engine or attempt_all
            make(attempt, study, waiting, out, workers, done=ended)
        else:
            for cell in waiting:
                attempt(study, cell, out / cell.name, track)
                ended(cell)
    return found


def attempt(study: Study, cell: Cell, folder: Path, track: Track = untold) -> None:
    """Make a cell in a new folder, and note what went wrong if something did.

    Raises:
        WriteError: Not even that can be written, or the disk is full.
    """
    shutil.rmtree(folder, ignore_errors=True)
    try:
        run_cell(study, cell, folder, track)
    except WriteError:  # the next cell's too
        raise
    except Exception as error:  # whatever it is, it is this cell's alone
        _note_failure(cell, folder, f"{type(error).__name__}: {error}", error)


def _told(run: Run) -> str:
    return (
        f"risk on its own data {run.empirical_risk:.3f}, certified below "
        f"{run.risk_bound[1]:.3f}, KL {run.kl:.0f} nats"
    )


def _failure(cell: Cell, folder: Path, fate: str) -> str:
    """What a cell failed of; a process that was killed could not note it itself."""
    path = folder / FAILED_FILE
    if not path.is_file():
        _note_failure(cell, folder, fate)
    return " ".join(str(json.loads(path.read_text(encoding="utf-8"))["error"]).split())


def _note_failure(cell: Cell, folder: Path, what: str, error: BaseException | None = None) -> None:
    note = {
        "schema": FAILED_SCHEMA,
        "cell": asdict(cell),
        "error": what,
        "traceback": [] if error is None else traceback.format_exception(error),
    }
    text = json.dumps(note, indent=2) + "\n"
    write_atomically(folder / FAILED_FILE, text.encode())
