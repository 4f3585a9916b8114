"""The watch that processes keep over one another, so that none waits for one that is gone.

In a thread of its own each tells the first, twice a second, how it is, and hears how all are. The
system of a process that dies closes its connections, and a machine that is cut off falls silent:
either way the others know, whatever they are computing or waiting for, and end.
"""

from __future__ import annotations

import _thread
import os
import signal
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from enum import IntEnum, unique
from types import FrameType
from typing import Any

BEAT = 0.5
"""Seconds between two messages of a process."""

_SILENCE = timedelta(seconds=60)
_PATIENCE = timedelta(seconds=90)
"""After which the first gives up one of the others, and they the first, which may be waiting for
one of them meanwhile."""

_LENGTH = 1024
"""Bytes of a message: a state and a text."""

_GRACE = 10.0
"""Seconds for what a process is in the middle of, before it is cut off."""


@unique
class State(IntEnum):
    """How a process is, or all are: the worst counts."""

    RUNNING = 0
    DONE = 1
    INTERRUPTED = 2
    FAILED = 3
    REFUSED = 4
    """It was given what it cannot use."""
    LOST = 5


@dataclass(frozen=True)
class Word:
    """What is said of a process, or of all.

    Attributes:
        state: How it is.
        text: Which process, and why; one line.
        heard: Whether another process said so.
    """

    state: State
    text: str = ""
    heard: bool = False

    def packed(self) -> bytearray:
        """As many bytes for every word."""
        text = self.text.encode()[: _LENGTH - 1]
        return bytearray((bytes([self.state]) + text).ljust(_LENGTH, b"\0"))

    @classmethod
    def unpacked(cls, packed: bytes) -> Word:
        """The word in a message."""
        text = packed[1:].rstrip(b"\0").decode(errors="ignore")
        return cls(State(packed[0]), text, heard=True)


_RUNNING = Word(State.RUNNING)


def in_a_team() -> bool:
    """Whether a launcher's variables say that several processes work together."""
    return os.environ.get("WORLD_SIZE", "1") not in ("", "1")


class Watch:
    """Keeps watch until `end`.

    Until then a request to terminate interrupts the main thread as Ctrl-C does, and so does the
    news that another process ended badly.

    Args:
        names: What each process of torch's default group is called in messages.
        rank: Which of them this is.
        exit_code: With which this one is cut off if it does not end by itself.
    """

    def __init__(self, names: Sequence[str], rank: int, exit_code: int) -> None:
        self._names, self._rank, self._exit_code = names, rank, exit_code
        self._own = self._verdict = _RUNNING
        self._ending = False
        self._lines = _lines(rank, len(names))
        self._news = threading.Event()
        self._before = signal.signal(signal.SIGTERM, self._interrupt)
        self._thread = threading.Thread(target=self._keep, daemon=True)
        self._thread.start()

    def end(self, state: State, reason: str = "") -> Word:
        """Tells the others how this process ends, and waits until all are to end.

        Args:
            state: How it ends.
            reason: Why, in one line.

        Returns:
            How all end: well, or the worst that befell any.
        """
        self._own = Word(state, f"{self._names[self._rank]}: {reason}")
        self._ending = True
        self._news.set()
        self._thread.join()
        if self._verdict.state is State.DONE:
            # else torchrun, which ends all when one has ended, could come before the last word
            signal.signal(signal.SIGTERM, self._before)
        return self._verdict

    def _interrupt(self, _number: int, _frame: FrameType | None) -> None:
        if not self._ending:
            raise KeyboardInterrupt

    def _keep(self) -> None:
        while self._verdict.state is State.RUNNING:
            self._news.wait(BEAT)
            self._news.clear()
            self._verdict = self._lead() if self._rank == 0 else self._follow()
        if self._ending:
            return
        _thread.interrupt_main(signal.SIGTERM)
        self._news.wait(_GRACE)
        if not self._ending:
            print(f"error: {self._verdict.text}", file=sys.stderr, flush=True)
            os._exit(self._exit_code)

    def _lead(self) -> Word:
        """Hears all, and tells them the worst; that all are done, once they are."""
        others = range(1, len(self._names))
        mail = {rank: _Letter(rank, self._lines[rank]) for rank in others}
        words = [self._own, *(self._from(rank, mail[rank], _SILENCE) for rank in others)]
        worst = max(words, key=lambda word: word.state)
        if worst.state is State.DONE and any(word.state is State.RUNNING for word in words):
            worst = _RUNNING
        for rank in others:
            if words[rank].state is not State.LOST:
                _tell(rank, worst, self._lines[rank])
        return worst

    def _follow(self) -> Word:
        """Tells the first, and hears from it."""
        _tell(0, self._own, self._lines[0])
        return self._from(0, _Letter(0, self._lines[0]), _PATIENCE)

    def _from(self, rank: int, letter: _Letter, patience: timedelta) -> Word:
        try:
            return letter.read(patience)
        except RuntimeError:
            gone = "is gone without a word (killed, perhaps for want of memory?)"
            return Word(State.LOST, f"{self._names[rank]} {gone}")


def _lines(rank: int, size: int) -> dict[int, Any]:
    """A group of two for each process that this one talks to, by its rank.

    Time that runs out in waiting for one closes all connections of a group.
    """
    from torch import distributed

    groups = {other: distributed.new_group([0, other]) for other in range(1, size)}  # by all
    return {0: groups[rank]} if rank else groups


class _Letter:
    """A word that is on its way from a process."""

    def __init__(self, sender: int, line: Any) -> None:
        import torch
        from torch import distributed

        self._content = torch.zeros(_LENGTH, dtype=torch.uint8)
        self._work: Any = None
        with suppress(RuntimeError):  # the connection is closed; reading will find it
            self._work = distributed.irecv(self._content, src=sender, group=line)

    def read(self, patience: timedelta) -> Word:
        """The word, once it is there.

        Raises:
            RuntimeError: It does not come.
        """
        if self._work is None:
            raise RuntimeError
        self._work.wait(patience)
        return Word.unpacked(self._content.numpy().tobytes())


def _tell(rank: int, word: Word, line: Any) -> None:
    """Sends a word, if anybody is there to take it."""
    import torch
    from torch import distributed

    content = torch.frombuffer(word.packed(), dtype=torch.uint8)
    with suppress(RuntimeError):
        work: Any = distributed.isend(content, dst=rank, group=line)
        work.wait(_PATIENCE)
