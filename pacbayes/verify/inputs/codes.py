"""The code of a compressed network, decoded anew: its length, and the network that it stands for.

The code is a prefix code, so that 2^−length is a prior over networks:

- gamma(x) for x ≥ 1 (Elias 1975) is as many zeros as x has binary digits after the first, then x;
  signed(x) is gamma(2x) for x > 0, gamma(1 − 2x) otherwise;
- gamma(number of words), gamma(key + 1), gamma(log2 of dictionaries + 1), signed(i) for the
  amplitude 2^(i/16), one bit that says whether signed(e_l) follows for each tensor, of the scale
  c_l 2^(e_l/2); then the words: a sign, a dictionary, and a row of a Hadamard matrix.

Tensors come in the order of their names. A word is the row times signs drawn by Philox 4x64-10
(Salmon et al. 2011) with this key, at the counter (0, dictionary, place, 0). The network is
w₀ + c_l 2^(e_l/2) 2^(i/16) Σ words, rounded to the type in which it is written.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pacbayes.verify.reading import UnreadableError, content

NAME = "code.bin"

_FAR = 1000
"""No scale of weights is so many steps away from 1."""

_WORD = 2**64 - 1
_MULTIPLIERS = 0xD2E7470EE14C6C93, 0xCA5A826395121157
_WEYL = 0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B
_ROUNDS = 10


@dataclass(frozen=True, kw_only=True)
class Code:
    """What a code says.

    Attributes:
        n_bits: Its length.
        words: Index of the word at each place.
        key: Of the random signs.
        log_dictionaries: log2 of the number of sign vectors to choose from.
        amplitude: 16 times the log2 of what 1 stands for.
        shape: For each tensor, twice the log2 of its scale over its own.
    """

    n_bits: int
    words: tuple[int, ...]
    key: int
    log_dictionaries: int
    amplitude: int
    shape: tuple[int, ...]


class _Bits:
    def __init__(self, text: str) -> None:
        self.text, self.place = text, 0

    def field(self, width: int) -> int:
        start, self.place = self.place, self.place + width
        if self.place > len(self.text):
            raise ValueError("it ends too early")
        return int(self.text[start : self.place] or "0", 2)

    def gamma(self) -> int:
        zeros = self.text.find("1", self.place) - self.place
        if zeros < 0:
            raise ValueError("it ends too early")
        self.place += zeros
        return self.field(zeros + 1)

    def signed(self) -> int:
        value = self.gamma()
        return (1 - value) // 2 if value % 2 else value // 2


def decode(text: str, sizes: Sequence[int]) -> Code:
    """What a code says; what comes after its end is not looked at.

    Args:
        text: Its binary digits.
        sizes: Weights of each tensor.

    Raises:
        ValueError: They end before the code does, or say what no code would.
    """
    bits = _Bits(text)
    count, key, log_dictionaries = (bits.gamma() for _ in range(3))
    amplitude, shaped = bits.signed(), bits.field(1)
    shape = tuple(bits.signed() if shaped else 0 for _ in sizes)
    width = 1 + (log_dictionaries - 1) + _log_length(sum(sizes))
    if key > 2**64 or max(map(abs, (amplitude, *shape))) > _FAR:
        raise ValueError("its numbers are too large")
    if count * width > len(bits.text):
        raise ValueError("it ends too early")
    return Code(
        words=tuple(bits.field(width) for _ in range(count)),
        n_bits=bits.place,
        key=key - 1,
        log_dictionaries=log_dictionaries - 1,
        amplitude=amplitude,
        shape=shape,
    )


def read_code(path: Path, sizes: Sequence[int]) -> Code:
    """The code in a file.

    Raises:
        UnreadableError: It cannot be read, or is none.
    """
    raw = content(path)
    try:
        return decode("".join(f"{byte:08b}" for byte in raw), sizes)
    except (ValueError, MemoryError, OverflowError) as error:
        raise UnreadableError(f"{path}: is no code of this network ({error}).") from None


def shifts(code: Code, sizes: Sequence[int], scales: Sequence[float]) -> Iterator[list[float]]:
    """What the code adds to each tensor of the prior's centre, in float64.

    Args:
        code: The code.
        sizes: Weights of each tensor.
        scales: c_l, the tensors' own scales under the prior.
    """
    sums, start = total(code, sum(sizes)), 0
    step = 2.0 ** (code.amplitude / 16)
    for size, scale, exponent in zip(sizes, scales, code.shape, strict=True):
        unit = scale * 2.0 ** (exponent / 2)
        yield [unit * (step * x) for x in sums[start : start + size]]
        start += size


def total(code: Code, size: int) -> list[int]:
    """The sum of the words, vectors of ±1.

    A vector is a whole number whose bit i is 1 where entry i is −1; the −1 at each place are
    counted by adding such numbers bit by bit, in all places at once.
    """
    length = _log_length(size)
    counters: list[int] = []
    for place, index in enumerate(code.words):
        row = index & ((1 << length) - 1)
        dictionary = index >> length & ((1 << code.log_dictionaries) - 1)
        negative = _row(row, length) ^ _signs(code.key, dictionary, place, length)
        if index >> length + code.log_dictionaries & 1:
            negative ^= (1 << (1 << length)) - 1
        for k, counter in enumerate(counters):
            counters[k], negative = counter ^ negative, counter & negative
        if negative:
            counters.append(negative)
    count, negatives = len(code.words), [0] * size
    for k, counter in enumerate(counters):
        digits = f"{counter & ((1 << size) - 1):0{size}b}"[::-1]
        pairs = zip(negatives, digits, strict=True)
        negatives = [n + (digit == "1") * (1 << k) for n, digit in pairs]
    return [count - 2 * n for n in negatives]


def _log_length(size: int) -> int:
    return max(6, (size - 1).bit_length())


def _row(row: int, length: int) -> int:
    """Bit i is the parity of the ones that `row` and i share."""
    found = 0
    for k in range(length):
        half = 1 << k
        again = found ^ ((1 << half) - 1) if row >> k & 1 else found
        found |= again << half
    return found


def _signs(key: int, dictionary: int, place: int, length: int) -> int:
    """Random bits; those of a byte come from its highest to its lowest."""
    words: list[int] = []
    # the generator counts up before each block of four words
    for block in range(1, max(1, (1 << length - 6) // 4) + 1):
        words += _philox((block, dictionary, place, 0), (key, 0))
    raw = b"".join(word.to_bytes(8, "little") for word in words[: 1 << length - 6])
    return int.from_bytes(raw.translate(_REVERSED), "little")


_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def _philox(counter: tuple[int, int, int, int], key: tuple[int, int]) -> tuple[int, int, int, int]:
    a, b, c, d = counter
    k, m = key
    for _ in range(_ROUNDS):
        low, high = _MULTIPLIERS[0] * a, _MULTIPLIERS[1] * c
        a, b, c, d = (
            (high >> 64) ^ b ^ k,
            high & _WORD,
            (low >> 64) ^ d ^ m,
            low & _WORD,
        )
        k, m = (k + _WEYL[0]) & _WORD, (m + _WEYL[1]) & _WORD
    return a, b, c, d
