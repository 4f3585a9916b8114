"""Random codewords for a direction in a space of many weights, and the search among them.

A codeword is a vector of ±1: a row of the Hadamard matrix times a diagonal of keyed random signs,
times a sign. Of N such words the one with the largest product with a vector v has a product of
about ‖v‖ √(2 ln N): it costs log2 N bits and pulls that far along v, while its other components
are noise, which the network bears as it bears the posterior's. A sum of words of one length thus
is v plus noise of any wanted size, at little more than KL nats of the Gaussian with that noise
(the shared-randomness codes of Havasi, Peharz & Hernández-Lobato 2019, with the fast transform in
place of drawn candidates). Words are sums of ±1, so a decoder finds the same vector to the bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
from scipy.linalg import hadamard

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_AXIS_BITS = 8


@dataclass(frozen=True, kw_only=True)
class Codebook:
    """All words of one key, for vectors of one size.

    Attributes:
        size: Number of weights.
        log_dictionaries: log2 of the number of sign diagonals, each with a Hadamard matrix of
            words. More of them cost time in encoding and save bits.
        key: Which random signs.
    """

    size: int
    log_dictionaries: int
    key: int

    @property
    def log_length(self) -> int:
        """log2 of the words' length: the size, rounded up to a power of two, at least 64."""
        return max(6, (self.size - 1).bit_length())

    @property
    def word_bits(self) -> int:
        """Bits of a word's index: sign, dictionary, row."""
        return 1 + self.log_dictionaries + self.log_length

    def best_words(self, vector: FloatArray, count: int) -> list[int]:
        """For each of `count` places the word of the largest product with the vector."""
        padded = np.zeros(1 << self.log_length, dtype=np.float32)
        padded[: self.size] = vector
        return [self._best_word(padded, place) for place in range(count)]

    def _best_word(self, padded: npt.NDArray[np.float32], place: int) -> int:
        best, index = -1.0, 0
        for dictionary in range(1 << self.log_dictionaries):
            products = _transform(padded * self._signs(place, dictionary))
            row = int(np.abs(products).argmax())
            if abs(products[row]) > best:
                best = float(abs(products[row]))
                upper = int(products[row] < 0) << self.log_dictionaries | dictionary
                index = upper << self.log_length | row
        return index

    def total(self, words: Sequence[int]) -> IntArray:
        """The sum of the words at places 0, 1, …, shape (size,)."""
        sums = np.zeros(self.size, dtype=np.int64)
        for place, index in enumerate(words):
            row = index & ((1 << self.log_length) - 1)
            dictionary = index >> self.log_length & ((1 << self.log_dictionaries) - 1)
            sign = 1 - 2 * (index >> self.word_bits - 1)
            sums += (
                sign * (self._signs(place, dictionary) * _row(row, self.log_length))[: self.size]
            )
        return sums

    def _signs(self, place: int, dictionary: int) -> npt.NDArray[np.int8]:
        key = np.array([self.key, 0], dtype=np.uint64)
        counter = np.array([0, dictionary, place, 0], dtype=np.uint64)
        raw = np.random.Philox(key=key, counter=counter).random_raw(1 << self.log_length - 6)
        bits = np.unpackbits(np.asarray(raw, dtype="<u8").view(np.uint8))
        return 1 - 2 * bits.astype(np.int8)


def _row(row: int, log_length: int) -> npt.NDArray[np.int8]:
    """Row of the Hadamard matrix in Sylvester's order: the parity of row & column."""
    parity = np.arange(1 << log_length) & row
    for shift in (32, 16, 8, 4, 2, 1):
        parity ^= parity >> shift
    return 1 - 2 * (parity & 1).astype(np.int8)


def _transform(vector: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Hadamard matrix times vector; the matrix is a Kronecker product of small ones."""
    left = vector.size
    shape = []
    while left > 1:
        shape.append(min(left, 1 << _AXIS_BITS))
        left //= shape[-1]
    cube = vector.reshape(shape)
    for axis, length in enumerate(shape):
        cube = np.moveaxis(np.tensordot(_matrix(length), cube, axes=(1, axis)), 0, axis)
    return cube.reshape(-1)


@cache
def _matrix(length: int) -> npt.NDArray[np.float32]:
    return np.asarray(hadamard(length), dtype=np.float32)
