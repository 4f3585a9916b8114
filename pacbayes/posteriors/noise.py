"""Standard normal noise that depends on its key alone, not on batch, thread, order or history."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum, unique
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pacbayes.errors import InputError

FORMAT = "SFC64, Box-Muller, 1"
"""Changes whenever the same key gives other noise, so that old draws are not taken for new ones."""

_BLOCK = 1 << 16
"""Variates made at once, so that all steps of Box–Muller find them in the cache."""

_SKIPPED = 8
"""Outputs thrown away at the start: with numpy's own 12 steps more than the 18 that the author of
SFC64 asks for where all three words of the seed are given."""


@unique
class Stream(IntEnum):
    """What a piece of noise is for. Different streams are independent."""

    CERTIFICATE = 1
    PILOT = 2
    HELD_OUT = 3
    TRAINING = 4
    DRAWN_NETWORK = 5
    EXAMPLES = 6
    GENERATION = 7


@dataclass(frozen=True, kw_only=True)
class NoiseKey:
    """What the noise of a set of units is keyed by, besides the draw and the unit.

    Attributes:
        seed: The run's seed, at least 0 and below 2**64.
        stream: What the noise is for.
        stratum: Which stratum the units belong to, at least 0 and below 2**24.
    """

    seed: int
    stream: Stream
    stratum: int

    def __post_init__(self) -> None:
        if not 0 <= self.seed < 2**64:
            raise InputError(f"`seed` must lie in [0, 2**64), got {self.seed}.")
        if not 0 <= self.stratum < 2**24:
            raise InputError(f"`stratum` must lie in [0, 2**24), got {self.stratum}.")


@dataclass(frozen=True, kw_only=True)
class Draw:
    """One draw of the posterior: the key of all its noise.

    Attributes:
        key: Whose noise.
        number: Which draw of the posterior for this unit, at least 0 and below 2**32.
        unit: Which unit of the data shares the draw, at least 0 and below 2**32.
    """

    key: NoiseKey
    number: int
    unit: int

    def bits(self, part: int) -> np.random.SFC64:
        """The random bits of one part of the draw, a number below 2**32; one part, one tensor."""
        words = (
            self.key.seed,
            self.unit | self.number << 32,
            self.key.stream | self.key.stratum << 8 | part << 32,
        )
        seed: Any = _Words(np.array(words, dtype=np.uint64))  # numpy's types lack this kind
        bits = np.random.SFC64(seed)
        bits.random_raw(_SKIPPED, output=False)
        return bits


class _Words(np.random.bit_generator.ISeedSequence):
    """A seed given in words, which keeps different keys different: there is no hash to collide."""

    def __init__(self, words: npt.NDArray[np.uint64]) -> None:
        self._words = words

    def generate_state(self, n_words: int, dtype: npt.DTypeLike = np.uint32) -> npt.NDArray:
        return self._words


def standard_normals(
    draws: Sequence[Draw], size: int, *, part: int, device: torch.device | str = "cpu"
) -> Tensor:
    """Standard normal variates, shape (draws, size), float32.

    Row i is a function of `draws[i]`, `part`, `size` and the kind of the device alone. On the CPU:
    SFC64 (Doty-Humphrey) seeded with the key itself, then Box–Muller on 32 random bits each for
    radius and angle, so no variate exceeds 6.7 (probability 3e-11). On another device: its own
    generator, seeded with 63 random bits of the key; two models of GPU may give other noise.

    Args:
        draws: Whose noise.
        size: How many variates of each.
        part: Which part of the draws: one for each tensor.
        device: Where the variates are wanted.
    """
    device = torch.device(device)
    if device.type != "cpu":
        return _on_device([draw.bits(part) for draw in draws], size, device)
    out = np.empty((len(draws), size), dtype=np.float32)
    streams = [draw.bits(part) for draw in draws]
    for left in range(0, size, _BLOCK):
        width = min(_BLOCK, size - left)
        rows = max(1, _BLOCK // width)
        for top in range(0, len(draws), rows):
            _box_muller(out[top : top + rows, left : left + width], streams[top : top + rows])
    return torch.from_numpy(out)


def _box_muller(out: npt.NDArray[np.float32], streams: Sequence[np.random.SFC64]) -> None:
    """Fills each row of `out` from its stream: cosines first, then sines."""
    width = out.shape[1]
    half = -(-width // 2)
    uniform = np.empty((2, len(streams), half), dtype=np.float32)
    for row, stream in enumerate(streams):
        uniform[:, row] = stream.random_raw(half).view(np.int32).reshape(2, half)
    radius, angle = uniform
    np.abs(radius, out=radius)
    radius += np.float32(0.5)  # above 0, at most 2**31: never log(0)
    radius *= np.float32(2.0**-31)
    np.log(radius, out=radius)
    radius *= np.float32(-2.0)
    np.sqrt(radius, out=radius)
    angle *= np.float32(math.pi * 2.0**-31)
    cosines, sines = out[:, :half], out[:, half:]
    np.cos(angle, out=cosines)
    cosines *= radius
    np.sin(angle[:, : width - half], out=sines)
    sines *= radius[:, : width - half]


def _on_device(streams: Sequence[np.random.SFC64], size: int, device: torch.device) -> Tensor:
    out = torch.empty(len(streams), size, device=device)
    generator = torch.Generator(device)
    for row, stream in enumerate(streams):
        # in place: rows made apart would have to be copied together
        out[row].normal_(generator=generator.manual_seed(int(stream.random_raw()) >> 1))
    return out
