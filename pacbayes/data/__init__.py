"""Certification data: JSONL records, their tokens and scored positions, units, strata."""

from pacbayes.data.duplicates import (
    Duplicates,
    exact_duplicates,
    find_duplicates,
    near_overlap,
    overlap,
)
from pacbayes.data.encode import Example, encode
from pacbayes.data.jsonl import parse_object, read_raw
from pacbayes.data.records import Message, Record, form_of, read_jsonl, record_of, sha256_of
from pacbayes.data.strata import cut, strata_by_field, strata_by_file, strata_by_levels
from pacbayes.data.strata_by_difficulty import (
    quantile_edges,
    quantile_note,
    strata_by_edges,
    strata_by_quantiles,
)
from pacbayes.data.units import Stratum, units_of

__all__ = [
    "Duplicates",
    "Example",
    "Message",
    "Record",
    "Stratum",
    "cut",
    "encode",
    "exact_duplicates",
    "find_duplicates",
    "form_of",
    "near_overlap",
    "overlap",
    "parse_object",
    "quantile_edges",
    "quantile_note",
    "read_jsonl",
    "read_raw",
    "record_of",
    "sha256_of",
    "strata_by_edges",
    "strata_by_field",
    "strata_by_file",
    "strata_by_levels",
    "strata_by_quantiles",
    "units_of",
]
