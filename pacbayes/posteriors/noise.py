"""Standard normal noise that depends on its key alone, not on batch, thread, device or history."""

from __future__ import annotations

from enum import IntEnum

import numpy as np
import numpy.typing as npt

from pacbayes.errors import InputError


class Stream(IntEnum):
    """What a piece of noise is for. Different streams are independent."""

    CERTIFICATE = 1
    PILOT = 2
    HELD_OUT = 3
    TRAINING = 4


def standard_normals(
    size: int, *, seed: int, stream: Stream, stratum: int, draw: int, unit: int
) -> npt.NDArray[np.float32]:
    """Standard normal variates, shape (size,), float32, a function of the key (seed, ..., unit).

    The key is written into a Philox counter-based generator (Salmon et al. 2011), so that any
    process can make any piece of the noise without making the others.

    Args:
        size: How many variates.
        seed: The run's seed, at least 0 and below 2**64.
        stream: What the noise is for.
        stratum: Which stratum the unit belongs to, at least 0.
        draw: Which draw of the posterior for this unit, at least 0.
        unit: Which unit of the data shares the draw, at least 0.
    """
    if not 0 <= seed < 2**64:
        raise InputError(f"`seed` must lie in [0, 2**64), got {seed}.")
    key = np.array([seed, stream], dtype=np.uint64)
    counter = np.array([0, unit, draw, stratum], dtype=np.uint64)
    bits = np.random.Philox(key=key, counter=counter)
    return np.random.Generator(bits).standard_normal(size, dtype=np.float32)
