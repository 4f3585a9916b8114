"""Certification data: JSONL records, their tokens and scored positions, units, strata."""

from pacbayes.data.encode import Example, encode
from pacbayes.data.jsonl import parse_object, read_raw
from pacbayes.data.records import Message, Record, form_of, read_jsonl, sha256_of
from pacbayes.data.strata import (
    Stratum,
    cut,
    exact_duplicates,
    overlap,
    quantile_edges,
    strata_by_edges,
    strata_by_field,
    strata_by_file,
    strata_by_quantiles,
    units_of,
)

__all__ = [
    "Example",
    "Message",
    "Record",
    "Stratum",
    "cut",
    "encode",
    "exact_duplicates",
    "form_of",
    "overlap",
    "parse_object",
    "quantile_edges",
    "read_jsonl",
    "read_raw",
    "sha256_of",
    "strata_by_edges",
    "strata_by_field",
    "strata_by_file",
    "strata_by_quantiles",
    "units_of",
]
