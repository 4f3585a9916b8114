"""Being stopped from outside: Ctrl-C and SIGTERM let a command tidy up and end with one line."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from pacbayes.cli.exit_codes import INTERRUPTED
from pacbayes.watch import in_a_team

_SOON = 0.05
"""Seconds after which a finalizer should be over."""

SHELL = 128
"""What a shell adds to the number of the signal that ended a program."""


class Stop:
    """Whether the command was told to stop.

    Attributes:
        signal: The first signal that came, None if none did.
        open: Whether the command is still running.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self.open = True

    @property
    def code(self) -> int:
        """The exit code of a command that was stopped."""
        return INTERRUPTED if self.signal is None else SHELL + self.signal

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        """Note a signal and stop what is running, wherever it is, unless all is done."""
        if self.open:
            self.signal = self.signal or number
            raise KeyboardInterrupt

    def again(self) -> None:
        """Send the signal once more, unless the command has ended."""
        if self.signal is not None and self.open:
            os.kill(os.getpid(), self.signal)


@contextmanager
def stoppable() -> Iterator[Stop]:
    """While the context is open, SIGINT and SIGTERM raise KeyboardInterrupt and are noted.

    A signal that the parent had this process ignore, as nohup does, stays ignored. Processes that
    work together wait for one another where no handler runs: SIGTERM ends them as it always does.
    """
    stop = Stop()
    wanted = [signal.SIGINT]
    if not in_a_team():
        wanted.append(signal.SIGTERM)
    main = threading.current_thread() is threading.main_thread()
    before = {s: signal.getsignal(s) for s in wanted if main}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, stop)
    try:
        with _nothing_swallowed(stop):
            yield stop
    finally:
        stop.open = False
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _nothing_swallowed(stop: Stop) -> Iterator[None]:
    """A signal that comes in a finalizer, out of which Python lets no exception, comes again."""
    before = sys.unraisablehook

    def hook(unraisable: sys.UnraisableHookArgs) -> None:
        if not isinstance(unraisable.exc_value, KeyboardInterrupt):
            before(unraisable)
            return
        timer = threading.Timer(_SOON, stop.again)
        timer.daemon = True
        timer.start()

    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = before


def deaf() -> None:
    """Ignore these signals from now on: the command is about to end."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
