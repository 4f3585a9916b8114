"""Several processes that score one sample together: `torchrun`, or any launcher like it.

Work is divided so that each piece, its batch and its noise, is the same whoever does it: the
results do not depend on the number of processes.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from pacbayes.errors import InputError, ProcessLostError
from pacbayes.watch import State, Watch, Word, in_a_team

T = TypeVar("T")

_ARRIVAL = timedelta(minutes=10)
"""How long the first process to start waits for the last."""

_WORK = timedelta(days=7)
"""How long one waits for the work of another, such as the first's optimising a posterior; that it
is there at all is watched apart."""

_GO_ON = "; run the same command again, with any number of processes, to go on from here."


@dataclass(frozen=True)
class Team:
    """This process among those that work together.

    Attributes:
        rank: Its number, from 0.
        size: How many there are.
        local_rank: Its number among those on this machine, which picks its device.
        group: torch's group of them; None for its default one.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    group: Any = field(default=None, compare=False, repr=False)

    @property
    def leads(self) -> bool:
        """Whether this is the process that writes and prints."""
        return self.rank == 0

    def share(self, pieces: Iterable[T]) -> Iterator[T]:
        """The pieces of this process: every `size`-th."""
        return (piece for place, piece in enumerate(pieces) if place % self.size == self.rank)

    def sum(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """The sum over all processes of arrays of one shape, each entry from one process alone."""
        if self.size == 1:
            return values
        import torch
        from torch import distributed

        total = torch.from_numpy(np.ascontiguousarray(values))
        distributed.all_reduce(total, group=self.group)
        return total.numpy()

    def led(self, make: Callable[[], T]) -> T:
        """What the first process makes, for all."""
        if self.size == 1:
            return make()
        from torch import distributed

        found = [make() if self.leads else None]
        distributed.broadcast_object_list(found, src=0, group=self.group)
        return found[0]  # type: ignore[return-value]

    def agree(self, facts: Mapping[str, Any]) -> None:
        """Checks that all processes have read the same, each perhaps from a disk of its own.

        Raises:
            InputError: A fact differs from the first process's.
        """
        for name, expected in self.led(lambda: dict(facts)).items():
            if facts[name] != expected:
                raise InputError(
                    f"{name} is {facts[name]!r} here, but {expected!r} in the first process; all "
                    "must read the same files with the same packages."
                )


ALONE = Team()


@contextmanager
def joined_team(exit_code: int) -> Iterator[Team]:
    """The team that the launcher's variables describe, connected; alone without them.

    The processes end together. If the block raises in one, or one is gone, all are interrupted
    within seconds; then the first raises what happened, and the others what the first cannot tell.

    Args:
        exit_code: Of a process that has to be cut off.

    Raises:
        InputError: Variables that are no numbers, or a team that cannot be connected; or another
            process raised one.
        ProcessLostError: Another process failed, or is gone.
    """
    if not in_a_team():
        yield ALONE
        return
    team, watch = _connected(exit_code)
    own: BaseException | None = None
    try:
        yield replace(team, group=_working_group())
    except BaseException as error:
        own = error
    state, reason = _described(own)
    verdict = watch.end(state, reason)
    if verdict.state is State.DONE:
        _disconnect()
        return
    raise _outcome(team, verdict, own, state, reason) from None


def _connected(exit_code: int) -> tuple[Team, Watch]:
    from torch import distributed

    try:
        rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
        local_rank = int(os.environ.get("LOCAL_RANK", "0"))
        # sums of small arrays of numbers: on the CPU, whatever the model runs on
        distributed.init_process_group("gloo", timeout=_ARRIVAL)
        hosts = [""] * size
        distributed.all_gather_object(hosts, socket.gethostname())
        names = [f"process {place} of {size} on {host}" for place, host in enumerate(hosts)]
        watch = Watch(names, rank, exit_code)
    except (KeyError, ValueError, RuntimeError) as error:
        raise InputError(
            f"the processes cannot be connected ({' '.join(str(error).split())}); start them with "
            "torchrun, or set RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT in each."
        ) from None
    return Team(rank=rank, size=size, local_rank=local_rank), watch


def _working_group() -> Any:
    from torch import distributed

    return distributed.new_group(timeout=_WORK)


def _disconnect() -> None:
    """Ends torch's threads; those that the end of the program finds may abort it."""
    from torch import distributed

    distributed.destroy_process_group()


def _described(error: BaseException | None) -> tuple[State, str]:
    """What the others are told of how the block ended."""
    if error is None:
        return State.DONE, ""
    if isinstance(error, InputError):
        return State.REFUSED, str(error)
    if isinstance(error, KeyboardInterrupt):
        return State.INTERRUPTED, "was interrupted"
    return State.FAILED, " ".join(f"{type(error).__name__}: {error}".split())[:300]


def _outcome(
    team: Team, verdict: Word, own: BaseException | None, state: State, reason: str
) -> BaseException:
    """What a process ends with that did not end well: from the verdict and what happened in it."""
    told = verdict.heard and not team.leads
    repeated = told and state is not State.FAILED and verdict.text.endswith(reason)
    if own is not None and state is verdict.state and not repeated:
        return own
    if told:
        return ProcessLostError(verdict.text, told=True)
    if verdict.state is State.INTERRUPTED:
        return KeyboardInterrupt()
    if verdict.state is State.REFUSED:
        return InputError(verdict.text)
    return ProcessLostError(f"{verdict.text}{_GO_ON}")
