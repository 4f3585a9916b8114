"""Several processes that score one sample together: `torchrun`, or any launcher like it.

Work is divided so that each piece, its batch and its noise, is the same whoever does it: the
results do not depend on the number of processes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from pacbayes.errors import InputError

T = TypeVar("T")


@dataclass(frozen=True)
class Team:
    """This process among those that work together.

    Attributes:
        rank: Its number, from 0.
        size: How many there are.
        local_rank: Its number among those on this machine, which picks its device.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0

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
        distributed.all_reduce(total)
        return total.numpy()

    def led(self, make: Callable[[], T]) -> T:
        """What the first process makes, for all."""
        if self.size == 1:
            return make()
        from torch import distributed

        found = [make() if self.leads else None]
        distributed.broadcast_object_list(found, src=0)
        return found[0]  # type: ignore[return-value]


ALONE = Team()


def join_team() -> Team:
    """The team that the launcher's variables describe, connected; alone without them.

    Raises:
        InputError: Variables that are no numbers, or a team that cannot be connected.
    """
    if int(os.environ.get("WORLD_SIZE", "1") or 1) == 1:
        return ALONE
    from torch import distributed

    try:
        team = Team(
            rank=int(os.environ["RANK"]),
            size=int(os.environ["WORLD_SIZE"]),
            local_rank=int(os.environ.get("LOCAL_RANK", "0")),
        )
        if not distributed.is_initialized():
            # sums of small arrays of numbers: on the CPU, whatever the model runs on; all wait
            # while the first optimises a posterior
            distributed.init_process_group("gloo", timeout=timedelta(days=7))
    except (KeyError, ValueError, RuntimeError) as error:
        raise InputError(
            f"the processes cannot be connected ({' '.join(str(error).split())}); start them with "
            "torchrun, or set RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT in each."
        ) from None
    return team
