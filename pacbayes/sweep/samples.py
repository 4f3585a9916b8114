"""A file as one sample of one stratum, whatever labels its records have."""

from __future__ import annotations

from pathlib import Path

from pacbayes.data.assumptions import INDEPENDENT, of_difficulty, of_labels
from pacbayes.data.duplicates import find_duplicates
from pacbayes.data.records import Record, read_jsonl, sha256_of
from pacbayes.data.sample import Part, Sample, SourceFile
from pacbayes.data.scoring import read_scoring
from pacbayes.data.units import units_of

_FROM_POOL = (
    "The units were drawn at random, without replacement, from those of a pool in the stratum, "
    "which are independent draws; the draw did not look at losses."
)
_BY_HASH = (
    "Which units of the pool were kept for tests, and not drawn from, was decided by a hash of "
    "their texts, which is taken to have nothing to do with losses."
)
_NO_FIELD = ""
"""No record has it, so that none has a label."""


def read_part(path: Path, name: str) -> Part:
    """All units of a file as one stratum.

    Raises:
        InputError: See `read_jsonl`.
    """
    return _part(read_jsonl(path, stratum_field=_NO_FIELD), name)


def read_whole(path: Path, name: str, *, label_field: str | None, split_by_hash: bool) -> Sample:
    """A subset of a pool as a sample with one stratum.

    Args:
        path: The subset.
        name: Of the stratum.
        label_field: The field that the stratum is a value of; None if it is one of difficulties.
        split_by_hash: Whether a part of the pool was kept for tests, see `held_out`.

    Raises:
        InputError: See `read_jsonl`.
    """
    records = read_jsonl(path, stratum_field=_NO_FIELD)
    source = SourceFile(path=str(path), sha256=sha256_of(path), n_records=len(records))
    scoring = None if label_field else read_scoring(path, source.sha256)
    duplicates = find_duplicates(records)
    assumptions = [INDEPENDENT, _FROM_POOL, *([_BY_HASH] if split_by_hash else [])]
    if label_field:
        assumptions += of_labels(1, 2, label_field)
    else:
        assumptions += of_difficulty(records, None, None, scoring)
    if duplicates.summary:
        assumptions.append(f"{duplicates.summary[0].upper()}{duplicates.summary[1:]}")
    return Sample(
        strata=(_part(records, name),),
        held_out=(),
        scoring=scoring,
        files=(source,),
        held_out_files=(),
        prior_files=(),
        duplicates=duplicates,
        notes=(),
        assumptions=tuple(assumptions),
    )


def _part(records: list[Record], name: str) -> Part:
    return Part(name=name, units=tuple(tuple(records[i] for i in u) for u in units_of(records)))
