"""Batches that are halved where the device has not enough memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import torch

Given = TypeVar("Given")
Found = TypeVar("Found")


def in_halves(
    work: Callable[[Sequence[Given]], list[Found]], batch: Sequence[Given]
) -> list[Found]:
    """Return what `work` finds for each of a batch, in halves of halves as memory requires.

    Args:
        work: Gives a result for each of the batch, which depends on nothing else in it.
        batch: What to work on.

    Raises:
        torch.OutOfMemoryError: There is not enough memory for one alone.
    """
    try:
        return work(batch)
    except torch.OutOfMemoryError:
        if len(batch) == 1:
            raise
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    middle = len(batch) // 2
    return in_halves(work, batch[:middle]) + in_halves(work, batch[middle:])
