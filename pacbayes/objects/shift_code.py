"""The code of a fine-tuning difference: what is written, and how a network is made of it again.

Encoder and decoder share what was fixed before the data: the prior's centre w₀, the sizes of the
covered tensors, in the order of their names, and their relative scales c_l. The code says the rest:

=========================  ====================================================================
number of words            Elias gamma
key, log2 of dictionaries  Elias gamma, from 1
amplitude a                Elias gamma of a signed whole number i, a = 2^(i/16)
shape                      one bit: 0, all tensors at their relative scale; 1, then for each
                           tensor a signed number e_l, its scale being c_l 2^(e_l/2)
words                      one index each, of a fixed number of bits; see `Codebook`
=========================  ====================================================================

The decoded weights are w₀ + c_l 2^(e_l/2) a Σ words, computed in float64.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from pacbayes.objects.codebook import Codebook, FloatArray
from pacbayes.objects.prefix_code import BitReader, BitWriter

_AMPLITUDE_STEPS = 16
_SHAPE_STEPS = 2


@dataclass(frozen=True, kw_only=True)
class Layout:
    """What encoder and decoder know beforehand: the prior's centre and its relative scales."""

    centre: Mapping[str, Tensor]
    relative_scales: Mapping[str, float]

    @property
    def size(self) -> int:
        """Number of weights."""
        return sum(tensor.numel() for tensor in self.centre.values())

    def units(self, shape: Sequence[int]) -> FloatArray:
        """What 1 stands for in each weight, shape (size,)."""
        scales = [
            self.relative_scales[name] * 2.0 ** (exponent / _SHAPE_STEPS)
            for name, exponent in zip(self.centre, shape, strict=True)
        ]
        return np.repeat(scales, [tensor.numel() for tensor in self.centre.values()])

    def flat(self, weights: Mapping[str, Tensor]) -> FloatArray:
        """Tensors in the order of the centre as one vector."""
        parts = [weights[name].detach().cpu().double().ravel() for name in self.centre]
        return torch.cat(parts).numpy()


@dataclass(frozen=True, kw_only=True)
class ShiftCode:
    """A difference from the prior's centre, as its code says it."""

    words: tuple[int, ...]
    key: int
    log_dictionaries: int
    amplitude: int
    shape: tuple[int, ...]

    def first(self, count: int, target: FloatArray) -> ShiftCode:
        """The first words alone, with the amplitude at which they add up to the target.

        Args:
            count: How many.
            target: The difference in units of the layout; the sum's projection on it is itself.
        """
        shorter = replace(self, words=self.words[:count])
        product = float(shorter._sums(target.size) @ target)
        wanted = float(target @ target) / product if product > 0 else 1.0
        return replace(shorter, amplitude=round(_AMPLITUDE_STEPS * np.log2(wanted)))

    def weights(self, layout: Layout) -> dict[str, Tensor]:
        """The decoded weights in float64."""
        step = 2.0 ** (self.amplitude / _AMPLITUDE_STEPS)
        shift = layout.units(self.shape) * (step * self._sums(layout.size))
        decoded, start = {}, 0
        for name, centre in layout.centre.items():
            part = torch.from_numpy(shift[start : start + centre.numel()])
            decoded[name] = centre.double() + part.reshape(centre.shape)
            start += centre.numel()
        return decoded

    def _sums(self, size: int) -> FloatArray:
        book = Codebook(size=size, log_dictionaries=self.log_dictionaries, key=self.key)
        return book.total(self.words).astype(np.float64)


def encode(code: ShiftCode, layout: Layout) -> tuple[bytes, int]:
    """The bytes of a code and its length in bits, less than 8 below that of the bytes."""
    book = Codebook(size=layout.size, log_dictionaries=code.log_dictionaries, key=code.key)
    bits = BitWriter()
    bits.positive(len(code.words))
    bits.positive(code.key + 1)
    bits.positive(code.log_dictionaries + 1)
    bits.signed(code.amplitude)
    bits.field(int(any(code.shape)), 1)
    for exponent in code.shape if any(code.shape) else ():
        bits.signed(exponent)
    for index in code.words:
        bits.field(index, book.word_bits)
    return bits.finish()


def decode(data: bytes, layout: Layout) -> ShiftCode:
    """What `encode` wrote; bytes after the code's end are not looked at.

    Raises:
        InputError: The bytes end before the code does.
    """
    bits = BitReader(data)
    count, key = bits.positive(), bits.positive() - 1
    log_dictionaries, amplitude = bits.positive() - 1, bits.signed()
    shaped = bits.field(1)
    shape = tuple(bits.signed() if shaped else 0 for _ in layout.centre)
    book = Codebook(size=layout.size, log_dictionaries=log_dictionaries, key=key)
    return ShiftCode(
        words=tuple(bits.field(book.word_bits) for _ in range(count)),
        key=key,
        log_dictionaries=log_dictionaries,
        amplitude=amplitude,
        shape=shape,
    )
