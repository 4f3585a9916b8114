"""Bits that say themselves where they end: a prefix code for whole numbers, and fields of bits.

No codeword is the beginning of another, so by Kraft's inequality 2^−length, summed over all
codewords, is at most 1, which makes it a prior.
"""

from __future__ import annotations

from pacbayes.errors import InputError


class BitWriter:
    """Collects bits, the most significant of each number first."""

    def __init__(self) -> None:
        self._bits: list[str] = []

    def field(self, value: int, width: int) -> None:
        """A number from 0 to 2**width − 1 in `width` bits, which the reader must know."""
        if not 0 <= value < 1 << width:
            raise ValueError(f"`value` must lie in [0, 2**{width}), got {value}.")
        if width:
            self._bits.append(f"{value:0{width}b}")

    def positive(self, value: int) -> None:
        """A whole number from 1 up in Elias's gamma code: 2 ⌊log2 value⌋ + 1 bits."""
        if value < 1:
            raise ValueError(f"`value` must be at least 1, got {value}.")
        length = value.bit_length()
        self.field(0, length - 1)
        self.field(value, length)

    def signed(self, value: int) -> None:
        """Any whole number: 0, 1, −1, 2, −2 and so on as the positive numbers 1, 2, 3, 4, 5."""
        self.positive(2 * value if value > 0 else 1 - 2 * value)

    def finish(self) -> tuple[bytes, int]:
        """The code as bytes, zeros after its end, and its length in bits."""
        text = "".join(self._bits)
        padded = text + "0" * (-len(text) % 8)
        return bytes(int(padded[i : i + 8], 2) for i in range(0, len(padded), 8)), len(text)


class BitReader:
    """Reads what `BitWriter` wrote; what comes after the code does not matter.

    Args:
        code: The bytes.

    Raises:
        InputError: From every method: the bytes end before the code does.
    """

    def __init__(self, code: bytes) -> None:
        self._text = "".join(f"{byte:08b}" for byte in code)
        self.place = 0

    def field(self, width: int) -> int:
        """A number of `width` bits."""
        end = self.place + width
        if end > len(self._text):
            raise InputError("the code ends in the middle of a number; the file is truncated.")
        text, self.place = self._text[self.place : end], end
        return int(text, 2) if text else 0

    def positive(self) -> int:
        """A whole number from 1 up."""
        zeros = 0
        while self.field(1) == 0:
            zeros += 1
        return 1 << zeros | self.field(zeros)

    def signed(self) -> int:
        """Any whole number."""
        value = self.positive()
        return value // 2 if value % 2 == 0 else (1 - value) // 2
