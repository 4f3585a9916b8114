"""Progress on stderr: a bar with the time left on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from pacbayes.printable import printable

_SECONDS_BETWEEN_LINES = 15.0

Track = Callable[[str, int | None], Callable[..., None]]
"""Starts a stage, given its name and its number of steps, and returns what advances it; that may be
given a note on how the stage is going beside the steps."""


@contextmanager
def progress(*, shown: bool = True) -> Iterator[Track]:
    """Shows the stages of a run while the context is open; never writes to stdout."""
    if not shown:
        yield lambda _name, _total: lambda *_: None
        return
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _lines
        return
    columns = (
        TextColumn("{task.description:<28}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bars:

        def track(name: str, total: int | None) -> Callable[..., None]:
            name = printable(name)
            task = bars.add_task(name, total=total)

            def advance(steps: int, note: str = "") -> None:
                bars.update(task, advance=steps, description=f"{name}{note and f', {note}'}")

            return advance

        yield track


def _lines(name: str, total: int | None) -> Callable[..., None]:
    started = last = time.monotonic()
    done = 0

    def advance(steps: int, note: str = "") -> None:
        nonlocal done, last
        done += steps
        now = time.monotonic()
        finished = done == total
        if not finished and now - last < _SECONDS_BETWEEN_LINES:
            return
        last = now
        text = f"{name}: {done} examples, {now - started:.0f} s"
        if total is not None and not finished:
            text += f", about {(now - started) * (total / done - 1):.0f} s left of {total} examples"
        if note:
            text += f"; {note}"
        print(printable(text), file=sys.stderr, flush=True)

    return advance
