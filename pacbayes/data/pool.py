"""A pool of examples to choose from: where each record is in its file, not the record itself.

A pool may be far larger than memory, so one pass over the file keeps some 60 bytes a record and a
second one fetches the lines that were chosen.
"""

from __future__ import annotations

import hashlib
import math
import os
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pacbayes.data.duplicates import text_of
from pacbayes.data.jsonl import parse_object, read_raw, unreadable
from pacbayes.data.records import Record, record_of
from pacbayes.errors import InputError
from pacbayes.files import open_file

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_BOM = b"\xef\xbb\xbf"
_STEP = 1000


@dataclass(frozen=True, kw_only=True)
class Pool:
    """The records of a file; arrays have one entry a record unless said otherwise.

    Attributes:
        path: The file.
        sha256: Of its bytes.
        written: Its size and time of change, to notice that it is another file now.
        offsets: Where each record's line begins, in bytes.
        lines: Its 1-based line number.
        units: The number of its independent unit, from 0 in order of first appearance.
        difficulties: Its difficulty, NaN without one.
        labels: The number of its label in `label_names`, -1 without one.
        label_names: The labels, in order of first appearance.
        texts: A hash of its text in normal form, equal for copies.
    """

    path: Path
    sha256: str
    written: tuple[int, int]
    offsets: Integers
    lines: Integers
    units: Integers
    difficulties: Floats
    labels: Integers
    label_names: tuple[str, ...]
    texts: npt.NDArray[np.uint64]

    @property
    def n_records(self) -> int:
        """Number of records."""
        return len(self.offsets)

    @property
    def n_units(self) -> int:
        """Number of independent units."""
        return int(self.units.max()) + 1

    @property
    def unit_difficulties(self) -> Floats:
        """The difficulty of each unit: the mean over its records, NaN if one has none."""
        means: Floats = np.bincount(self.units, self.difficulties) / np.bincount(self.units)
        return means

    def lines_of(self, records: Sequence[int] | Integers) -> Iterator[bytes]:
        """Yield the lines of records in the given order, byte for byte, each with its line end.

        Raises:
            InputError: The file cannot be read or has changed.
        """
        try:
            with open_file(self.path) as file:
                if _written(file.fileno()) != self.written:
                    raise InputError("was changed while it was read; start again.", path=self.path)
                for offset in self.offsets[records].tolist():
                    file.seek(offset)
                    line = file.readline()
                    yield line if line.endswith(b"\n") else line + b"\n"
        except OSError as error:
            raise unreadable(self.path, error) from error


def read_pool(
    path: Path,
    *,
    stratum_field: str = "stratum",
    check: Callable[[Record], None] = lambda _: None,
    advance: Callable[[int], None] = lambda _: None,
) -> Pool:
    """Read a pool in one pass.

    Args:
        path: The file.
        stratum_field: The key whose value is a record's label.
        check: Called with each record; raises if it cannot be chosen by what it has.
        advance: Told how many lines were read.

    Raises:
        InputError: The file cannot be read, has no record, or a line is no record.
    """
    columns = _Columns()
    sha256 = hashlib.sha256()
    offset = 0
    for line, raw in read_raw(path):
        sha256.update(raw)
        value = parse_object(raw, path, line)
        if value is not None:
            record = record_of(value, path, line, stratum_field=stratum_field)
            check(record)
            # a byte-order mark belongs to the file, not to its first record
            columns.add(record, offset + len(_BOM) * raw.startswith(_BOM) * (offset == 0))
        offset += len(raw)
        if line % _STEP == 0:
            advance(_STEP)
    if not columns.offsets:
        raise InputError("no records; the file is empty or has only blank lines.", path=path)
    return Pool(path=path, sha256=sha256.hexdigest(), written=_written(path), **columns.arrays())


def _written(file: int | Path) -> tuple[int, int]:
    found = os.stat(file)
    return found.st_size, found.st_mtime_ns


class _Columns:
    """What is kept of each record, as machine numbers."""

    def __init__(self) -> None:
        self.offsets, self.lines = array("q"), array("q")
        self._groups, self._grouped = array("Q"), array("b")
        self._difficulties, self._labels, self._texts = array("d"), array("q"), array("Q")
        self._label_numbers: dict[str, int] = {}

    def add(self, record: Record, offset: int) -> None:
        self.offsets.append(offset)
        self.lines.append(record.line)
        self._grouped.append(record.group is not None)
        self._groups.append(_hash(record.group or ""))
        self._difficulties.append(math.nan if record.difficulty is None else record.difficulty)
        numbers, label = self._label_numbers, record.stratum
        self._labels.append(-1 if label is None else numbers.setdefault(label, len(numbers)))
        self._texts.append(_hash("\x1f".join(text_of(record))))

    def arrays(self) -> dict[str, Any]:
        grouped = np.array(self._grouped, bool)
        return {
            "offsets": np.array(self.offsets, np.int64),
            "lines": np.array(self.lines, np.int64),
            "units": _numbered(np.array(self._groups, np.uint64), grouped),
            "difficulties": np.array(self._difficulties, np.float64),
            "labels": np.array(self._labels, np.int64),
            "label_names": tuple(self._label_numbers),
            "texts": np.array(self._texts, np.uint64),
        }


def _hash(text: str) -> int:
    """64 bits of a text. Two of a million differ in theirs but for a probability of 3e-8.

    If they did not, two groups would be one unit, which overstates nothing.
    """
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def _numbered(groups: npt.NDArray[np.uint64], grouped: npt.NDArray[np.bool_]) -> Integers:
    """Unit numbers in order of first appearance; a record without group is a unit of its own."""
    units = np.empty(len(groups), np.int64)
    names, units[grouped] = np.unique(groups[grouped], return_inverse=True)
    units[~grouped] = len(names) + np.arange((~grouped).sum())
    _, first, inverse = np.unique(units, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    numbers: Integers = rank[inverse]
    return numbers
