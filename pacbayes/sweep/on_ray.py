"""Making cells on a Ray cluster, whose machines share the files of the sweep.

All that a cell reads and writes are files, so every machine must have the base model, the pool, the
tests, the target and the sweep's folder under the same paths, and this package installed.
"""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pacbayes.errors import InputError
from pacbayes.runs.reading import RUN_FILE
from pacbayes.sweep.cells import FAILED_FILE, Cell
from pacbayes.sweep.workers import Attempt, Done, Engine

if TYPE_CHECKING:
    from pacbayes.sweep.cell import Study

RETRIES = 3
"""How often a cell is started anew whose worker was lost."""
_PATIENCE = 60.0
"""Seconds until what one machine has written is there for another; NFS keeps names for up to 60."""
_STEP = 0.1


@contextmanager
def connected(address: str, *, gpus_per_cell: float) -> Iterator[Engine]:
    """Be connected to Ray, and have what makes cells there.

    In the end, what was started here is shut down.

    Args:
        address: As `ray.init` takes it: `local` for a Ray of this machine's own, `auto` for the one
            that runs, or where another one is.
        gpus_per_cell: What a cell is going to ask for, see `attempt_all`.

    Raises:
        InputError: Ray is not installed or not there, or cannot give a cell so many GPUs.
    """
    if not 0 <= gpus_per_cell < math.inf or (gpus_per_cell > 1 and gpus_per_cell % 1):
        raise InputError(
            "--gpus-per-cell must be a share of a GPU in [0, 1], or a whole number of them, got "
            f"{gpus_per_cell:g}."
        )
    ray = _ray()
    engine = partial(attempt_all, gpus_per_cell=gpus_per_cell)
    if ray.is_initialized():
        yield engine
        return
    try:
        ray.init(
            address=address,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    except Exception as error:  # Ray has no class of its own for what can go wrong here
        raise InputError(f"--ray {address!r}: {_line(error)}") from error
    try:
        # another address may be of a cluster that grows when it is asked to
        if address == "local" and ray.cluster_resources().get("GPU", 0) < gpus_per_cell:
            raise InputError(f"--ray local: this machine has no {gpus_per_cell:g} GPUs for a cell.")
        yield engine
    finally:
        ray.shutdown()


def attempt_all(
    attempt: Attempt,
    study: Study,
    cells: Sequence[Cell],
    out: Path,
    workers: int,
    *,
    done: Done,
    gpus_per_cell: float = 0.0,
) -> None:
    """Make each cell in a task of its own on one CPU, as `workers.attempt_all` does in a process.

    A cell whose worker is lost is started anew, up to `RETRIES` times, in an empty folder.

    Args:
        attempt: Makes a cell; a function of a module.
        study: What the cells have in common; sent to each machine once.
        cells: The cells.
        out: The sweep's folder.
        workers: The most cells at a time.
        done: Told each cell whose task has ended, and what became of that.
        gpus_per_cell: The share of a GPU that a cell has, or a whole number of them.
    """
    ray = _ray()
    task = ray.remote(num_cpus=1, num_gpus=gpus_per_cell, max_retries=RETRIES)(_work)
    shared, here = ray.put(study), Path.cwd()
    waiting = list(cells)
    running: dict[Any, Cell] = {}
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                cell = waiting.pop(0)
                folder = out / cell.name
                (folder / FAILED_FILE).unlink(missing_ok=True)  # that of this attempt is to come
                running[task.remote(attempt, shared, cell, folder, here)] = cell
            for ended in ray.wait(list(running))[0]:
                cell = running.pop(ended)
                done(cell, _fate(ray, ended, out / cell.name))
    finally:
        for unfinished in running:
            ray.cancel(unfinished, force=True)


def _work(attempt: Attempt, study: Study, cell: Cell, folder: Path, here: Path) -> None:
    """Everything in a worker, in the folder that paths are relative to."""
    os.chdir(here)
    attempt(study, cell, folder)


def _fate(ray: Any, ended: Any, folder: Path) -> str:
    """What became of a task, in words that stand where its cell left none."""
    try:
        ray.get(ended)
    except ray.exceptions.RayTaskError as error:
        return f"its task failed: {type(error.cause).__name__}: {_line(error.cause)}"
    except ray.exceptions.RayError as error:
        return f"Ray lost its worker, {RETRIES} retries included: {type(error).__name__}"
    until = time.monotonic() + _PATIENCE
    while not any((folder / name).is_file() for name in (RUN_FILE, FAILED_FILE)):
        if time.monotonic() > until:
            break
        time.sleep(_STEP)
    return "it was made, but not on a file system that this machine shares"


def _ray() -> Any:
    try:
        import ray
    except ImportError:
        raise InputError(
            "--ray needs Ray, which is not installed: pip install 'pacbayes[sweep]'."
        ) from None
    return ray


def _line(error: BaseException) -> str:
    """The first line of an error's text."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
