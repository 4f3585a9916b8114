"""An attack on one target: many inputs, each a function of the seed and its number."""

from __future__ import annotations

import random
import signal
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from benchmarks.fuzzing.target import DECLARED, Target
from pacbayes.printable import printable

SECONDS = 5.0
"""An input that takes longer hangs."""
GROWTH = 256 * 2**20
"""Bytes that an attack may leave in memory behind its first inputs."""

_WARM = 1000
_TRIES = 5
"""A change may change nothing."""
_PAGE = 4096


class HangError(BaseException):
    """An input took too long."""


@dataclass(kw_only=True)
class Outcome:
    """What became of an attack.

    Attributes:
        target: The target's name.
        inputs: Number of inputs.
        accepted: How many were read.
        refused: How many were refused as they should be.
        unhandled: The others, by number: what went wrong and the content.
        slowest: Seconds that the slowest took.
        seconds: All of it.
        growth: Bytes by which the process grew after the first inputs.
    """

    target: str
    inputs: int
    accepted: int = 0
    refused: int = 0
    unhandled: dict[int, tuple[str, bytes]] = field(default_factory=dict)
    slowest: float = 0.0
    seconds: float = 0.0
    growth: int = 0


def attack(target: Target, inputs: int, seed: int) -> Outcome:
    """Read so many spoilt inputs."""
    found, started = Outcome(target=target.name, inputs=inputs), time.perf_counter()
    with _folder() as place:
        seeds = target.seeds(place)
    with _folder() as place, _alarmed():
        small = 0
        for number in range(inputs):
            content = content_of(target, seeds, seed, number)
            began = time.perf_counter()
            verdict = judge(target, place, content)
            found.slowest = max(found.slowest, time.perf_counter() - began)
            if verdict in ("accepted", "refused"):
                setattr(found, verdict, getattr(found, verdict) + 1)
            else:
                found.unhandled[number] = verdict, content
            if number == min(_WARM, inputs // 2):
                small = _resident()
        found.growth = max(0, _resident() - small)
    if found.growth > GROWTH:
        found.unhandled[inputs] = f"memory grew by {found.growth} bytes", b""
    found.seconds = time.perf_counter() - started
    return found


def content_of(target: Target, seeds: list[bytes], seed: int, number: int) -> bytes:
    """The input of this number; the first ones are the seeds as they are."""
    if number < len(seeds):
        return seeds[number]
    rng = random.Random(f"{seed} {target.name} {number}")
    seed_of_it = rng.choice([content for content in seeds if content])
    for _ in range(_TRIES):
        content = target.spoil(rng, seed_of_it)
        if content != seed_of_it:
            break
    return content


def judge(target: Target, place: Path, content: bytes) -> str:
    """`accepted`, `refused`, or what is wrong with how an input was taken."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ResourceWarning)  # which Python does not show either
        signal.setitimer(signal.ITIMER_REAL, SECONDS)
        try:
            target.read(place, content)
        except DECLARED as error:
            text = str(error)
            one_line = text and printable(text) == text
            return "refused" if one_line else f"a refusal that is not one line of text: {text!r}"
        except HangError:
            return f"takes more than {SECONDS:g} s"
        except (Exception, SystemExit) as error:
            return _blamed(error)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    return "accepted"


def _blamed(error: BaseException) -> str:
    """The error in a line, with the place of the package that it came from."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [f"{Path(f.filename).name}:{f.lineno}" for f in frames if "/pacbayes/" in f.filename]
    return (
        f"{type(error).__name__}: {ascii(str(error))[:200]} ({ours[-1] if ours else 'elsewhere'})"
    )


@contextmanager
def _folder() -> Iterator[Path]:
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
        yield Path(name)


@contextmanager
def _alarmed() -> Iterator[None]:
    def late(_signal: int, _frame: FrameType | None) -> None:
        raise HangError

    before = signal.signal(signal.SIGALRM, late)
    try:
        yield
    finally:
        signal.signal(signal.SIGALRM, before)


def _resident() -> int:
    """Bytes of memory that the process has now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE
