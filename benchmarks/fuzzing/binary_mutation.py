"""Spoiling files of numbers: the header of safetensors and npy, the numbers, and any bytes."""

from __future__ import annotations

import random
import struct

from benchmarks.fuzzing.mutation import spoil_bytes, spoil_values

_NUMBERS = (
    *(float("nan"), float("inf"), float("-inf"), 0.0, -0.0, -1.0, 1.0, 2.0, 0.5, 1e-45, 1e-30),
    *(3.4e38, 1e38, -1e38, 1e10, 7e4),
)
_LENGTHS = (0, 1, 2, 7, 8, 2**31, 2**32, 2**40, 2**63 - 1, 2**63, 2**64 - 1)
_SWAPS = (
    *((b'"F32"', b'"F64"'), (b'"F32"', b'"F16"'), (b'"F32"', b'"BF16"'), (b'"F32"', b'"I64"')),
    *((b'"F32"', b'"C64"'), (b'"F32"', b'"F8_E4M3"'), (b'"F32"', b'"BOOL"'), (b'"F32"', b'"U8"')),
    *(
        (b'"F32"', b'"F4"'),
        (b'"F32"', b'"E9"'),
        (b"[0,", b"[4,"),
        (b"[0,", b"[-4,"),
        (b'"a', b'"b'),
    ),
    *((b"lora_A", b"lora_B"), (b"[2", b"[3"), (b"[2", b"[-2"), (b"[2", b"[0"), (b"[4", b"[1,4")),
)
_NPY = (
    *((b"<f8", b"<f4"), (b"<f8", b">f8"), (b"<f8", b"|O"), (b"<f8", b"<i8"), (b"<f8", b"<c16")),
    *((b"False", b"True"), (b"False", b"None"), (b"(", b"((((("), (b"(", b"(-"), (b", )", b",)")),
    *(
        (b"2", b"99999999999999"),
        (b"3", b"0"),
        (b"shape", b"shap"),
        (b"}", b"} "),
        (b"\x01", b"\x02"),
    ),
)


def spoil_safetensors(rng: random.Random, content: bytes) -> bytes:
    """The header, its length, the numbers after it, or bytes changed."""
    if len(content) < 8:
        return spoil_bytes(rng, content)
    (length,) = struct.unpack("<Q", content[:8])
    header, numbers = content[8 : 8 + length], content[8 + length :]
    way = rng.random()
    if way < 0.35:
        header = spoil_values(rng, header)
    elif way < 0.55:
        header = _swapped(rng, header, _SWAPS)
    elif way < 0.75:
        numbers = spoil_numbers(rng, numbers, "<f")
    elif way < 0.85:
        return struct.pack("<Q", _length(rng, length)) + header + numbers
    else:
        return spoil_bytes(rng, content)
    said = len(header) if rng.random() < 0.9 else length
    return struct.pack("<Q", said) + header + numbers


def spoil_npy(rng: random.Random, content: bytes) -> bytes:
    """The header, the numbers after it, or bytes changed."""
    header, numbers = content[:128], content[128:]
    way = rng.random()
    if way < 0.3:
        return _swapped(rng, header, _NPY) + numbers
    if way < 0.6:
        return header + spoil_numbers(rng, numbers, "<d")
    return spoil_bytes(rng, content)


def spoil_numbers(rng: random.Random, numbers: bytes, kind: str) -> bytes:
    """One number or a few are others, or some are missing."""
    size = struct.calcsize(kind)
    for _ in range(rng.choice((1, 1, 2, 5))):
        if len(numbers) < size:
            break
        place = size * rng.randrange(len(numbers) // size)
        number = struct.pack(kind, rng.choice(_NUMBERS))
        numbers = numbers[:place] + number + numbers[place + size :]
    return numbers[: -rng.randrange(1, 20)] if rng.random() < 0.1 else numbers


def _swapped(rng: random.Random, header: bytes, swaps: tuple[tuple[bytes, bytes], ...]) -> bytes:
    for _ in range(rng.choice((1, 1, 2, 3))):
        old, new = rng.choice(swaps)
        places = [i for i in range(len(header)) if header.startswith(old, i)]
        if places:
            place = rng.choice(places)
            header = header[:place] + new + header[place + len(old) :]
    return header


def _length(rng: random.Random, length: int) -> int:
    return rng.choice(
        (*_LENGTHS, length - 1, length + 1, length + 8, rng.randrange(2 * length + 1))
    )
