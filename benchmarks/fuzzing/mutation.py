"""Spoiling contents: values of JSON and lines of JSONL at random places, then bytes.

A place is chosen among all values of the document, and what is put there is of the wrong type, too
large, too deep, no JSON, or from another place; a key is left out, renamed or written twice.
"""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

_MARK = "\ue000{}\ue000"
"""Stands for text that `json.dumps` would not write, until it is written."""

RAW = (
    *("NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1e-999", "-0", "-0.0", "5e-324"),
    *("1" + "0" * 400, "-1" + "0" * 400, "1" + "0" * 5000, "1" * 16 + ".0", "1e308", "1e16"),
    *(str(2**53), str(2**53 + 1), str(2**63), str(2**64), "0.1e1", "01", "1.", ".5", "+1", "0x1"),
    *('"\\ud800"', '"\\udc00\\ud800"', '"\\ud83d\\ude00"', '"\\u0000"', '"\\u202e"'),
    *('"\\u001b[31m"', '"\\u009b2J"', '"[/red]:smile:"'),
    *(f"{'[' * depth}{']' * depth}" for depth in (50, 99, 101, 900, 930, 960, 990)),
    '{"a":' * 300 + "1" + "}" * 300,
    *("[" * 100_000, '"unfinished', "nul", "'single'", "{}", "[]", "undefined", "", ",", "/* */ 1"),
    '"' + "x" * 10_000 + '"',
)
"""Texts in the place of a value: JSON at its limits, and what looks like JSON."""

VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 3, 0.5, 1.0, -0.5, 1e-300, 1e300, 10**15, 10**18),
    *("", " ", "x", "nan", "inf", "1", "0.5", "1/2", "3/0", "Level 3", "é", "a\nb", "\x1b[2J"),
    *("<script>alert(1)</script>", "\u202e", "../../etc/passwd", "\ud800", "9" * 400, "null"),
    *([], {}, [[]], [None], {"a": None}, [0, 1], {"k": 1, "m": 2}, {"k": 2, "m": 1}, ["x"] * 50),
)
"""Values in the place of another."""

PIECES = (
    *(b"\xff", b"\xc3", b"\xed\xa0\x80", b"\x00", b"\xef\xbb\xbf", b"\r\n", b"\r", b"\n", b"\n\n"),
    *(b"\xe2\x80\xa8", b"\x85", b"\x1b[31m", b"{", b"}", b"[", b"]", b'"', b"\\", b",", b":"),
    *(b"NaN", b"1e999", b"9" * 400, b"null", b"true", b"{" * 2000, b"[" * 2000, b"\\ud800", b"#"),
    *(b"=", b"[[a]]\n", b"'''", b'"""', b"1979-05-27T07:32:00Z", b"\xf0\x9f\x98\x80", b"-", b"0"),
)
"""Bytes to put anywhere."""


def spoil(rng: random.Random, content: bytes) -> bytes:
    """One spoilt content."""
    way = rng.random()
    if way < 0.75:
        content = spoil_values(rng, content)
    if way > 0.7:
        content = spoil_bytes(rng, content)
    return content


def spoil_values(rng: random.Random, content: bytes) -> bytes:
    """Values changed in one JSON document, or in one line or two of JSONL; else bytes changed."""
    whole = _places(content)
    if whole is not None:
        return _spoilt(rng, content)
    lines = content.split(b"\n")
    for _ in range(rng.choice((1, 1, 2))):
        place = rng.randrange(len(lines))
        if _places(lines[place]) is not None:
            lines[place] = _spoilt(rng, lines[place])
    spoilt = _SHUFFLES[rng.randrange(len(_SHUFFLES))](rng, lines)
    return b"\n".join(spoilt)


_SHUFFLES: tuple[Callable[[random.Random, list[bytes]], list[bytes]], ...] = (
    *(lambda _, lines: lines,) * 6,
    lambda rng, lines: [*lines, rng.choice(lines)],
    lambda rng, lines: rng.sample(lines, rng.randrange(len(lines) + 1)),
    lambda _, lines: [line + b"\r" for line in lines],
)


def spoil_bytes(rng: random.Random, content: bytes) -> bytes:
    """Bytes changed, at a few places."""
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        change = _CHANGES[rng.randrange(len(_CHANGES))]
        start = rng.randrange(len(content) + 1)
        content = change(rng, content, start, start + rng.randrange(1, 40))
    return content


_Change = Callable[[random.Random, bytes, int, int], bytes]
_CHANGES: tuple[_Change, ...] = (
    lambda rng, b, i, _: b[:i] + bytes([rng.randrange(256)]) + b[i + 1 :],
    lambda rng, b, i, _: b[:i] + rng.choice(PIECES) + b[i:],
    lambda rng, b, i, j: b[:i] + rng.choice(PIECES) + b[j:],
    lambda _, b, i, j: b[:i] + b[j:],
    lambda _, b, i, j: b[:j] + b[i:],
    lambda _, b, i, __: b[:i],
    lambda rng, b, i, j: b[:i] + b[(k := rng.randrange(len(b) + 1)) : k + 30] + b[j:],
)

_Path = tuple[str | int, ...]


@lru_cache(maxsize=4096)
def _places(content: bytes) -> tuple[_Path, ...] | None:
    """The places of all values in a JSON document; None if it is none, or one without places."""
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return tuple(_walk(value)) if isinstance(value, (dict, list)) else None


def _walk(value: Any, path: _Path = ()) -> Iterator[_Path]:
    yield path
    inside = value.items() if isinstance(value, dict) else ()
    for key, item in enumerate(value) if isinstance(value, list) else inside:
        yield from _walk(item, (*path, key))


def _spoilt(rng: random.Random, content: bytes) -> bytes:
    value, places = json.loads(content), _places(content) or ((),)
    raw: list[str] = []
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        path = rng.choice(places)
        if not path:
            continue
        try:
            holder = value
            for key in path[:-1]:
                holder = holder[key]
            _EDITS[rng.randrange(len(_EDITS))](rng, holder, path[-1], raw)
        except (
            KeyError,
            IndexError,
            TypeError,
            AttributeError,
            OverflowError,
        ):  # an earlier change took it away
            continue
    text = json.dumps(value, ensure_ascii=rng.random() < 0.5)
    for place, piece in enumerate(raw):
        mark = json.dumps(_MARK.format(place))
        text = text.replace(mark, piece).replace(f'"{_MARK.format(place)}"', piece)
    return text.encode(errors="surrogatepass")


def _put(rng: random.Random, holder: Any, key: Any, raw: list[str]) -> None:
    holder[key] = copy.deepcopy(rng.choice(VALUES))


def _raw(rng: random.Random, holder: Any, key: Any, raw: list[str]) -> None:
    holder[key] = _MARK.format(len(raw))
    raw.append(rng.choice(RAW))


def _number(rng: random.Random, holder: Any, key: Any, raw: list[str]) -> None:
    holder[key] = rng.choice((rng.random(), rng.randrange(100), rng.gauss(0, 1e3), -rng.random()))


def _near(rng: random.Random, holder: Any, key: Any, raw: list[str]) -> None:
    old = holder[key]
    if isinstance(old, (int, float)):
        holder[key] = rng.choice(
            (old + 1, -old, old * 10, old / 3, old * 1e9, float(old), old + 1e-9)
        )
    elif isinstance(old, str):
        holder[key] = rng.choice((old + "\n", old * 2, old[1:], old.upper(), old + "</script>"))


def _leave_out(rng: random.Random, holder: Any, key: Any, raw: list[str]) -> None:
    del holder[key]


def _rename(rng: random.Random, holder: Any, key: Any, raw: list[str]) -> None:
    holder[rng.choice(("", "x", f"{key} ", "a\nb", "\x1b[31m", "<b>", "\ud800"))] = holder.pop(key)


def _twice(rng: random.Random, holder: Any, key: Any, raw: list[str]) -> None:
    if isinstance(holder, list):
        holder.append(holder[key])
        return
    old = holder[key]
    holder[key] = _MARK.format(len(raw))
    raw.append(f"{json.dumps(old)}, {json.dumps(key)}: {json.dumps(old)}")


def _swap(rng: random.Random, holder: Any, key: Any, raw: list[str]) -> None:
    other = rng.choice(list(holder if isinstance(holder, dict) else range(len(holder))))
    holder[key], holder[other] = holder[other], holder[key]


_EDITS = (_put, _put, _put, _raw, _raw, _number, _near, _near, _leave_out, _rename, _twice, _swap)
