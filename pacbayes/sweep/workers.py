"""Making cells in several processes of this machine at once."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import wait
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pacbayes.errors import WriteError
from pacbayes.sweep.cells import Cell

if TYPE_CHECKING:
    from pacbayes.sweep.cell import Study

_SECONDS = 0.05
"""Between looks at the workers."""

Attempt = Callable[["Study", Cell, Path], None]
"""Makes a cell and leaves its run or its failure in its folder."""
Done = Callable[[Cell, str], None]
"""Told a cell that has ended, and what became of its process if the cell left nothing."""


class Engine(Protocol):
    """Makes cells side by side, as `attempt_all` does."""

    def __call__(
        self,
        attempt: Attempt,
        study: Study,
        cells: Sequence[Cell],
        out: Path,
        workers: int,
        *,
        done: Done,
    ) -> None:
        """Make the cells, at most so many at a time."""


def attempt_all(
    attempt: Attempt,
    study: Study,
    cells: Sequence[Cell],
    out: Path,
    workers: int,
    *,
    done: Done,
) -> None:
    """Make each cell in a process of its own, so many of them at a time.

    A worker that the system kills takes its own cell with it and no other.

    Args:
        attempt: Makes a cell; a function of a module, as a new process has to find it.
        study: What the cells have in common.
        cells: The cells.
        out: The sweep's folder.
        workers: The most processes at a time.
        done: Told each cell whose process has ended, and how it ended.
    """
    waiting = list(cells)
    running: dict[Cell, Any] = {}
    with _stopped_in_the_end(running):
        while waiting or running:
            while waiting and len(running) < workers:
                cell = waiting.pop(0)
                running[cell] = _started(attempt, study, cell, out / cell.name)
            for cell in [c for c, process in running.items() if process.exitcode is not None]:
                done(cell, _fate(running.pop(cell).exitcode))
            time.sleep(_SECONDS)


def _fate(code: int) -> str:
    if code >= 0:
        return f"its process ended with exit code {code}"
    killed = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    guess = " (for its memory?)" if -code == signal.SIGKILL else ""
    return f"its process was killed by {killed}{guess}"


def _started(attempt: Attempt, study: Study, cell: Cell, folder: Path) -> Any:
    # a process that forks with torch's threads in it can hang
    context = multiprocessing.get_context("spawn")
    arguments = (attempt, study, cell, folder)
    process = context.Process(target=_work, args=arguments, daemon=True)
    with _interruptions_held_back():
        process.start()
    return process


@contextmanager
def _interruptions_held_back() -> Iterator[None]:
    """Ctrl-C waits, and a process that is started meanwhile never has it: it is the sweep's."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _work(attempt: Attempt, study: Study, cell: Cell, folder: Path) -> None:
    """Everything in a worker, which leaves the terminal and its interruptions to the sweep."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _end_with(multiprocessing.parent_process())
    from transformers.utils import logging

    warnings.filterwarnings("ignore", module=r"(transformers|peft|torch)\.")
    logging.disable_progress_bar()
    try:
        attempt(study, cell, folder)
    except WriteError as error:
        raise SystemExit(f"error: {error}") from error


def _end_with(sweep: Any) -> None:
    """Let this process end as soon as that of the sweep does: then the folder has another writer.

    Args:
        sweep: The process that this one was started by.
    """
    if wait([sweep.sentinel], timeout=0):
        os._exit(1)

    def watch() -> None:
        wait([sweep.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def _stopped_in_the_end(running: dict[Cell, Any]) -> Iterator[None]:
    try:
        yield
    finally:
        for process in running.values():
            process.terminate()
            process.join()
