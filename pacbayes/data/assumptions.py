"""What a certificate takes for granted about its strata, and what its reader should know of them.

Independence cannot be seen in the data. What can be checked is checked elsewhere: groups and
records shared between strata or files, the model that scored. The rest is said in plain sentences.
"""

from __future__ import annotations

from collections.abc import Sequence

from pacbayes.data.duplicates import near_overlap
from pacbayes.data.pass_rates import pass_rate_noise
from pacbayes.data.records import Record
from pacbayes.data.scoring import Scoring
from pacbayes.data.strata_by_difficulty import difficulties_of, quantile_edges
from pacbayes.data.units import units_of

_ROUNDED = 1e-6
"""How far a difficulty that was written to a file may be from 1 − k/m."""
INDEPENDENT = (
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
_SCORED_BY_LENGTH = (
    "A record's difficulty is the length of its completion, which depends on that record alone."
)
_SCORED_BY_MODEL = (
    "Difficulties were scored with a model of SHA-256 {}, not the checkpoint; it was not trained "
    "on the certification data."
)
_MANY_DIFFICULTIES = 100
"""With no more distinct difficulties, edges may well be quantiles by coincidence."""


def pass_rate_note(records: Sequence[Record], edges: Sequence[float] | None) -> str | None:
    """Return how far pass rates can be trusted, where all difficulties are 1 − k/m."""
    rates = [r.pass_rate for r in records if r.pass_rate and r.difficulty is not None]
    measured = [r.difficulty for r in records if r.pass_rate and r.difficulty is not None]
    if not edges or len(rates) < len(records):
        return None
    if any(abs(d - (1 - k / m)) > _ROUNDED for d, (k, m) in zip(measured, rates, strict=True)):
        return None
    return pass_rate_noise([k for k, _ in rates], [m for _, m in rates], edges).summary


def near_note(
    records: Sequence[Record], others: Sequence[Sequence[Record]], option: str, danger: str
) -> str | None:
    """Return what near copies in another file mean, or nothing without any.

    Args:
        records: The certification data.
        others: The records of other files.
        option: How these were given.
        danger: What is wrong if they are copies.
    """
    apart = [record for file in others for record in file]
    if not apart or not (near := near_overlap(records, apart)):
        return None
    first = apart[near[0]]
    return (
        f"{len(near)} of {len(apart)} records of {option} have nearly the prompt of a record of "
        f"--data (the first: {first.path}:{first.line}); if they are copies, {danger}."
    )


def of_difficulty(
    records: Sequence[Record],
    k: int | None,
    edges: Sequence[float] | None,
    scoring: Scoring | None,
) -> tuple[str, ...]:
    """Return what cannot be checked of strata of difficulty.

    Args:
        records: The certification data.
        k: Number of quantile strata, if they are quantiles.
        edges: Edges as given, if they are that.
        scoring: How the difficulties were scored, where that is known.
    """
    scored = _SCORED_APART
    if scoring is not None and scoring.by == "length":
        scored = _SCORED_BY_LENGTH
    elif scoring is not None and scoring.models:
        scored = _SCORED_BY_MODEL.format(", ".join(scoring.models))
    if k is not None or _read_off(records, edges):
        return _OWN_QUANTILES, scored
    return (scored,) if edges is None else (_EDGES_BEFORE, scored)


def of_labels(n_files: int, n_strata: int, field: str) -> tuple[str, ...]:
    """Return what cannot be checked of strata that are files, or labels in a field."""
    if n_files > 1:
        return ("Records were put into the files without looking at their losses.",)
    if n_strata > 1:
        return (f"A record's `{field}` was given without looking at its loss.",)
    return ()


def _read_off(records: Sequence[Record], edges: Sequence[float] | None) -> bool:
    """Whether edges are exactly the quantiles of many distinct difficulties: no coincidence."""
    if not edges:
        return False
    of_record = difficulties_of(records)
    difficulties = [of_record[unit[0]] for unit in units_of(records)]
    enough = len(set(difficulties)) > _MANY_DIFFICULTIES
    return enough and quantile_edges(difficulties, len(edges) + 1) == tuple(edges)
