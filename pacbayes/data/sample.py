"""The certification sample and its held-out companion: read, cut into strata, put into tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pacbayes.data.assumptions import (
    INDEPENDENT,
    near_note,
    of_difficulty,
    of_labels,
    pass_rate_note,
)
from pacbayes.data.duplicates import Duplicates, find_duplicates, overlap
from pacbayes.data.encode import Example, encode
from pacbayes.data.records import Record, read_jsonl, sha256_of
from pacbayes.data.scoring import Scoring, read_scoring
from pacbayes.data.strata import cut
from pacbayes.data.strata_by_difficulty import quantile_note
from pacbayes.data.units import Stratum
from pacbayes.errors import InputError

Unit = tuple[Example, ...]
"""The examples of one independent unit; they share each posterior draw."""


@dataclass(frozen=True, kw_only=True)
class SourceFile:
    """A data file as it was read: its path, SHA-256 and number of records."""

    path: str
    sha256: str
    n_records: int


@dataclass(frozen=True, kw_only=True)
class Part:
    """One stratum of a sample: the records of each of its independent units."""

    name: str
    units: tuple[tuple[Record, ...], ...]

    @property
    def n(self) -> int:
        """Number of independent units."""
        return len(self.units)

    @property
    def n_records(self) -> int:
        """Number of records in all units."""
        return sum(map(len, self.units))

    def encode(self, tokenizer: Any, *, max_length: int) -> tuple[Unit, ...]:
        """The units as token ids; see `pacbayes.data.encode.encode`."""
        return tuple(
            tuple(encode(record, tokenizer, max_length=max_length) for record in unit)
            for unit in self.units
        )


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What a certificate is computed from.

    Attributes:
        strata: The certification sample of each stratum.
        held_out: The held-out sample of each stratum, or empty.
        scoring: How the difficulties that the strata are cut by were scored, where that is known.
        files: The certification files.
        held_out_files: The held-out files.
        prior_files: What the prior was trained on, if anything.
        duplicates: Records that repeat one another and yet count as independent.
        notes: What its reader should know about the cut and the duplicates, a sentence each.
        assumptions: What the certificate takes for granted about them, in plain sentences.
    """

    strata: tuple[Part, ...]
    held_out: tuple[Part, ...]
    scoring: Scoring | None
    files: tuple[SourceFile, ...]
    held_out_files: tuple[SourceFile, ...]
    prior_files: tuple[SourceFile, ...]
    duplicates: Duplicates
    notes: tuple[str, ...]
    assumptions: tuple[str, ...]


def read_sample(
    data: Sequence[Path],
    *,
    held_out: Sequence[Path] = (),
    prior_data: Sequence[Path] = (),
    k: int | None = None,
    edges: Sequence[float] | None = None,
    levels: str | None = None,
) -> Sample:
    """Reads the files and cuts them into strata, the held-out ones in the same way.

    Args:
        data: Certification files.
        held_out: As many held-out files, in the same order, or none.
        prior_data: Files that the prior was trained on.
        k: Number of quantile strata.
        edges: Edges between strata.
        levels: Field of which each distinct value is a stratum.

    Raises:
        InputError: See `read_jsonl` and `cut`; also held-out files that do not match the data, or
            share a record or a group with them; also prior data that share a record, a group or
            an id with them.
    """
    field = "stratum" if levels in (None, "difficulty") else str(levels)
    files = [read_jsonl(path, stratum_field=field) for path in data]
    held_files = [read_jsonl(path, stratum_field=field) for path in held_out]
    if held_out and len(held_out) != len(data):
        raise InputError(
            f"{len(held_out)} held-out files for {len(data)} data files; give one for each, in "
            "the same order."
        )
    records = [record for file in files for record in file]
    found = cut(files, k=k, edges=edges, levels=levels)
    notes = [] if k is None else [quantile_note(found, k)]
    strata = _parts(records, found)
    sources = _sources(data, files)
    by_difficulty = k is not None or edges is not None or levels == "difficulty"
    scoring = read_scoring(data[0], sources[0].sha256) if by_difficulty else None
    assumptions = [INDEPENDENT]
    if by_difficulty:
        assumptions += of_difficulty(records, k, edges, scoring)
    else:
        assumptions += of_labels(len(files), len(strata), field)
    if k is not None:
        edges = _edges_between(strata)
    meaning = pass_rate_note(records, edges)
    held_parts: tuple[Part, ...] = ()
    if held_files:
        _refuse_leaks(records, held_files, "held-out data must be disjoint from it")
        held_records = [record for file in held_files for record in file]
        held_parts = _matched(
            strata, _parts(held_records, cut(held_files, edges=edges, levels=levels))
        )
    prior_files = [read_jsonl(path) for path in prior_data]
    _refuse_leaks(records, prior_files, _PRIOR_SPLIT)
    _refuse_ids(records, prior_files)
    duplicates = find_duplicates(records)
    lasting = [note for note in (meaning, duplicates.summary) if note]
    assumptions += [f"{note[0].upper()}{note[1:]}" for note in lasting]
    notes += [
        *lasting,
        near_note(records, held_files, "--held-out", "the held-out bounds are too low"),
        near_note(records, prior_files, "--prior-data", "the prior has seen the data"),
    ]
    return Sample(
        strata=strata,
        held_out=held_parts,
        scoring=scoring,
        files=sources,
        held_out_files=_sources(held_out, held_files),
        prior_files=_sources(prior_data, prior_files),
        duplicates=duplicates,
        notes=tuple(note for note in notes if note),
        assumptions=tuple(assumptions),
    )


def _edges_between(strata: Sequence[Part]) -> list[float]:
    """The highest difficulty of each stratum but the last, from strata cut by difficulty."""
    return [
        max(r.difficulty for unit in part.units for r in unit if r.difficulty is not None)
        for part in strata[:-1]
    ]


def _parts(records: Sequence[Record], strata: Sequence[Stratum]) -> tuple[Part, ...]:
    return tuple(
        Part(name=s.name, units=tuple(tuple(records[i] for i in unit) for unit in s.units))
        for s in strata
    )


def _matched(strata: Sequence[Part], held_out: Sequence[Part]) -> tuple[Part, ...]:
    """The held-out parts in the order of the strata: by name where names agree, else by place."""
    by_name = {part.name: part for part in held_out}
    if len(strata) == len(held_out) and not by_name.keys() & {part.name for part in strata}:
        pairs = zip(strata, held_out, strict=True)
        return tuple(replace(held, name=part.name) for part, held in pairs)
    for part in strata:
        if part.name not in by_name:
            raise InputError(f"the held-out data has nothing in stratum {part.name!r}.")
    return tuple(by_name[part.name] for part in strata)


_PRIOR_SPLIT = "a prior may be trained on other data only: split the data before training it"


def _refuse_leaks(records: Sequence[Record], others: Sequence[Sequence[Record]], rule: str) -> None:
    apart = [record for file in others for record in file]
    if shared := overlap(records, apart):
        a, b = records[shared[0][0]], apart[shared[0][1]]
        raise b.error(
            f"the same record as {a.path}:{a.line} of the certification data "
            f"({len(shared)} such records); {rule}."
        )
    groups = {record.group for record in records} - {None}
    for record in apart:
        if record.group in groups:
            raise record.error(f"group {record.group!r} is in the certification data too; {rule}.")


def _refuse_ids(records: Sequence[Record], others: Sequence[Sequence[Record]]) -> None:
    known = {record.id: record for record in records if record.id is not None}
    for record in (record for file in others for record in file):
        if record.id in known:
            raise record.error(
                f"id {record.id!r} is that of {known[record.id].path}:{known[record.id].line} of "
                f"the certification data; {_PRIOR_SPLIT}."
            )


def _sources(paths: Sequence[Path], files: Sequence[Sequence[Record]]) -> tuple[SourceFile, ...]:
    return tuple(
        SourceFile(path=str(path), sha256=sha256_of(path), n_records=len(file))
        for path, file in zip(paths, files, strict=True)
    )
