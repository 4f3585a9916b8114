"""Runs that one plan can be made from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from pacbayes.errors import InputError
from pacbayes.runs.run import Run
from pacbayes.schema import require


def require_comparable(runs: Sequence[Run], places: Sequence[str] | None = None) -> None:
    """Refuse runs that no plan can be made from.

    Args:
        runs: The runs.
        places: Where each was read, for the message; by default its place in the sequence.

    Raises:
        InputError: They differ in loss or delta; several bases, one of which has no strength or
            two, or two risks on the target; one difficulty only; two runs of one difficulty,
            budget, seed and base.
    """
    where = places or [f"run {i}" for i in range(1, len(runs) + 1)]
    for name in ("loss", "delta"):
        _require_same(name, [getattr(run, name) for run in runs], where)
    _require_strengths(runs, where)
    seen: dict[tuple[Any, ...], str] = {}
    for run, place in zip(runs, where, strict=True):
        key = (run.base, run.difficulty, run.budget, run.seed, *sorted(run.train_weights.items()))
        require(
            key not in seen,
            f"{place}: the same difficulty, budget, seed and base as {seen.get(key)}; the usual "
            "mistake is a run copied without its new seed.",
        )
        seen[key] = place
    difficulties = {run.difficulty for run in runs}
    require(
        len(difficulties) > 1,
        f"all runs have difficulty {min(difficulties)}; a plan needs two difficulties or more.",
    )


def _require_same(name: str, values: Sequence[object], places: Sequence[str]) -> None:
    for value, place in zip(values, places, strict=True):
        require(
            value == values[0],
            f"{place}: `{name}` is {value!r}, but {values[0]!r} at {places[0]}; runs of one plan "
            f"must have the same {name}.",
        )


def _require_strengths(runs: Sequence[Run], places: Sequence[str]) -> None:
    strengths: dict[str, set[float | None]] = defaultdict(set)
    risks: dict[str, set[tuple[float, int] | None]] = defaultdict(set)
    for run, place in zip(runs, places, strict=True):
        strengths[run.base].add(run.base_strength)
        known = run.base_target
        risks[run.base].add(None if known is None else (known.mean, known.n))
        for name, found in (("base_strength", strengths), ("base_target", risks)):
            require(
                len(found[run.base]) == 1,
                f"{place}: base {run.base!r} has another `{name}` elsewhere.",
            )
    unknown = [base for base, found in strengths.items() if None in found]
    if len(strengths) > 1 and unknown:
        raise InputError(
            f"runs of different bases ({', '.join(map(repr, strengths))}), and {unknown[0]!r} has "
            "no `base_strength` (its accuracy on the target) to order them by."
        )
