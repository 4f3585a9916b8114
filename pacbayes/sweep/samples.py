"""Files as samples of strata that are known, whatever labels their records have."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pacbayes.data.assumptions import INDEPENDENT, of_difficulty, of_labels
from pacbayes.data.duplicates import find_duplicates
from pacbayes.data.records import Record, read_jsonl, sha256_of
from pacbayes.data.sample import Part, Sample, SourceFile
from pacbayes.data.scoring import read_scoring
from pacbayes.data.units import strata_of_names

_FROM_POOL = (
    "The units were drawn at random, without replacement, from those of a pool in the stratum, "
    "which are independent draws; the draw did not look at losses."
)
_BY_QUOTA = "How many units each stratum has was settled by weights and a budget."
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
    records = read_jsonl(path, stratum_field=_NO_FIELD)
    (part,) = _parts(records, [name] * len(records), [name])
    return part


def read_drawn(
    path: Path,
    strata: Sequence[str],
    *,
    order: Sequence[str],
    label_field: str | None,
    split_by_hash: bool,
) -> Sample:
    """A subset of a pool as a sample, given the strata that its records were drawn for.

    The file is not cut anew: a group's mean difficulty, summed in another order, can be another.

    Args:
        path: The subset.
        strata: The stratum of each record.
        order: The order of the strata, of which some may have no record.
        label_field: The field that strata are values of; None if they are of difficulties.
        split_by_hash: Whether a part of the pool was kept for tests, see `held_out`.

    Raises:
        InputError: See `read_jsonl`.
    """
    records = read_jsonl(path, stratum_field=_NO_FIELD)
    source = SourceFile(path=str(path), sha256=sha256_of(path), n_records=len(records))
    parts = _parts(records, strata, order)
    scoring = None if label_field else read_scoring(path, source.sha256)
    duplicates = find_duplicates(records)
    assumptions = [INDEPENDENT, _FROM_POOL]
    assumptions += [_BY_QUOTA] if len(parts) > 1 else []
    assumptions += [_BY_HASH] if split_by_hash else []
    if label_field:
        assumptions += of_labels(1, 2, label_field)
    else:
        assumptions += of_difficulty(records, None, None, scoring)
    if duplicates.summary:
        assumptions.append(f"{duplicates.summary[0].upper()}{duplicates.summary[1:]}")
    return Sample(
        strata=parts,
        held_out=(),
        scoring=scoring,
        files=(source,),
        held_out_files=(),
        prior_files=(),
        duplicates=duplicates,
        notes=(),
        assumptions=tuple(assumptions),
    )


def _parts(
    records: Sequence[Record], names: Sequence[str], order: Sequence[str]
) -> tuple[Part, ...]:
    """The strata that have records, given that of each."""
    present = set(names)
    found = strata_of_names(records, names, [name for name in order if name in present])
    return tuple(
        Part(name=s.name, units=tuple(tuple(records[i] for i in unit) for unit in s.units))
        for s in found
    )
