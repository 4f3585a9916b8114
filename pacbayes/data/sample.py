"""The certification sample and its held-out companion: read, cut into strata, put into tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pacbayes.data.duplicates import Duplicates, find_duplicates, near_overlap, overlap
from pacbayes.data.encode import Example, encode
from pacbayes.data.pass_rates import pass_rate_noise
from pacbayes.data.records import Record, read_jsonl, sha256_of
from pacbayes.data.strata import cut
from pacbayes.data.strata_by_difficulty import difficulties_of, quantile_edges, quantile_note
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
        files: The certification files.
        held_out_files: The held-out files.
        prior_files: What the prior was trained on, if anything.
        duplicates: Records that repeat one another and yet count as independent.
        notes: What its reader should know about the cut and the duplicates, a sentence each.
        assumptions: What the certificate takes for granted about them, in plain sentences.
    """

    strata: tuple[Part, ...]
    held_out: tuple[Part, ...]
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
    assumptions = _assumptions(records, strata, k, edges, field if levels != "difficulty" else None)
    if k is not None:
        edges = _edges_between(strata)
    meaning = _pass_rate_note(records, edges)
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
    assumptions = (*assumptions, *(f"{note[0].upper()}{note[1:]}" for note in lasting))
    notes += [
        *lasting,
        _near_note(records, held_files, "--held-out", "the held-out bounds are too low"),
        _near_note(records, prior_files, "--prior-data", "the prior has seen the data"),
    ]
    return Sample(
        strata=strata,
        held_out=held_parts,
        files=_sources(data, files),
        held_out_files=_sources(held_out, held_files),
        prior_files=_sources(prior_data, prior_files),
        duplicates=duplicates,
        notes=tuple(note for note in notes if note),
        assumptions=assumptions,
    )


_ROUNDED = 1e-6
"""How far a difficulty that was written to a file may be from 1 − k/m."""


def _pass_rate_note(records: Sequence[Record], edges: Sequence[float] | None) -> str | None:
    """How far pass rates can be trusted, where all difficulties are 1 − k/m."""
    rates = [r.pass_rate for r in records if r.pass_rate and r.difficulty is not None]
    measured = [r.difficulty for r in records if r.pass_rate and r.difficulty is not None]
    if not edges or len(rates) < len(records):
        return None
    if any(abs(d - (1 - k / m)) > _ROUNDED for d, (k, m) in zip(measured, rates, strict=True)):
        return None
    return pass_rate_noise([k for k, _ in rates], [m for _, m in rates], edges).summary


def _near_note(
    records: Sequence[Record], others: Sequence[Sequence[Record]], option: str, danger: str
) -> str | None:
    apart = [record for file in others for record in file]
    if not apart or not (near := near_overlap(records, apart)):
        return None
    first = apart[near[0]]
    return (
        f"{len(near)} of {len(apart)} records of {option} have nearly the prompt of a record of "
        f"--data (the first: {first.path}:{first.line}); if they are copies, {danger}."
    )


_INDEPENDENT = (
    "The units of each stratum (records, or groups where given) are independent draws from the "
    "distribution that the certificate speaks of."
)
_OWN_QUANTILES = (
    "Stratum edges are quantiles of the sample's own difficulties, so each certified risk is "
    "averaged over the difficulties that the sample has."
)
_EDGES_BEFORE = "Stratum edges were chosen without looking at labels or losses."
_SCORED_APART = (
    "A record's difficulty depends on that record alone: it was not scored with a model that was "
    "trained on the certification data."
)
_MANY_DIFFICULTIES = 100
"""With no more distinct difficulties, edges may well be quantiles by coincidence."""


def _assumptions(
    records: Sequence[Record],
    strata: Sequence[Part],
    k: int | None,
    edges: Sequence[float] | None,
    field: str | None,
) -> tuple[str, ...]:
    """What cannot be checked; `field` is that of the labels, None if they are difficulties."""
    if k is not None or _read_off(records, edges):
        return _INDEPENDENT, _OWN_QUANTILES, _SCORED_APART
    if edges is not None:
        return _INDEPENDENT, _EDGES_BEFORE, _SCORED_APART
    if field is None:
        return _INDEPENDENT, _SCORED_APART
    if len({record.path for record in records}) > 1:
        return _INDEPENDENT, "Records were put into the files without looking at their losses."
    if len(strata) > 1:
        return _INDEPENDENT, f"A record's `{field}` was given without looking at its loss."
    return (_INDEPENDENT,)


def _read_off(records: Sequence[Record], edges: Sequence[float] | None) -> bool:
    """Whether edges are exactly the quantiles of many distinct difficulties: no coincidence."""
    if not edges:
        return False
    difficulties = difficulties_of(records)
    enough = len(set(difficulties)) > _MANY_DIFFICULTIES
    return enough and quantile_edges(difficulties, len(edges) + 1) == tuple(edges)


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
