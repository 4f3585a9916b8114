"""Writing the chosen subset of a pool, and the report of what was chosen."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from pacbayes.data.pool import Floats, Integers, Pool
from pacbayes.data.records import sha256_of
from pacbayes.data.scoring import read_scoring, report_path
from pacbayes.errors import InputError
from pacbayes.files import claimed_file, in_place_of
from pacbayes.planning.rules import Rule
from pacbayes.planning.selection import Share, choose, shuffled_records
from pacbayes.planning.selection_report import (
    Distribution,
    FileNote,
    PlanNote,
    SelectionReport,
    StratumSupply,
)
from pacbayes.version import __version__


def note_plan(path: Path) -> PlanNote:
    """Return a plan's path and SHA-256."""
    return PlanNote(path=str(path), sha256=sha256_of(path))


def check_out(out: Path, pool: Path, *, overwrite: bool) -> None:
    """Raise `InputError` unless a subset of the pool and its report can be written there."""
    for path in (out, report_path(out)):
        if path.is_dir():
            raise InputError("is a folder, where --out needs a file.", path=path)
        if path.exists() and pool.exists() and path.samefile(pool):
            raise InputError("is the pool itself; --out must be another file.", path=path)
        if path.exists() and not overwrite:
            raise InputError("exists; give another --out, or --overwrite.", path=path)


def write_subset(
    pool: Pool,
    rule: Rule,
    budget: int,
    out: Path,
    *,
    seed: int,
    plan: PlanNote | None = None,
    allow_short: bool = False,
) -> SelectionReport:
    """Choose units and write their records in random order, with a report beside them.

    Lines are those of the pool, byte for byte. Nothing is at `out` before all is written.

    Args:
        pool: The pool.
        rule: Which units may be chosen.
        budget: Independent units to choose.
        out: The subset's file.
        seed: Of the choice and of the order.
        plan: The plan that the rule comes from.
        allow_short: Write what there is where the pool has too few.

    Raises:
        InputError: See `choose` and the rule; or the pool has changed since it was read.
    """
    shares, units, records = _drawn(pool, rule, budget, seed=seed, allow_short=allow_short)
    with claimed_file(out), in_place_of(report_path(out)) as note, in_place_of(out) as subset:
        sha256 = _write_lines(pool, records, subset)
        difficulties = pool.unit_difficulties
        scoring = read_scoring(pool.path, pool.sha256)
        report = SelectionReport(
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            version=__version__,
            seed=seed,
            rule=rule.to_json(),
            budget=budget,
            short=len(units) < budget,
            pool=FileNote(
                path=str(pool.path),
                sha256=pool.sha256,
                n_records=pool.n_records,
                n_units=pool.n_units,
            ),
            scoring=None if scoring is None else dict(scoring.settings),
            plan=plan,
            subset=FileNote(
                path=str(out), sha256=sha256, n_records=len(records), n_units=len(units)
            ),
            strata=tuple(_supply(share, difficulties) for share in shares),
            difficulty=_distribution(difficulties[units]),
            pool_difficulty=_distribution(difficulties),
            n_copies=_n_copies(pool, records),
            n_uneven=_n_uneven(pool, records),
        )
        note.write_bytes(report.to_bytes())
    return report


def strata_of_records(pool: Pool, rule: Rule, budget: int, *, seed: int) -> list[str]:
    """The stratum that each record was drawn for, in the order that `write_subset` writes them.

    Raises:
        InputError: See `choose` and the rule.
    """
    shares, units, records = _drawn(pool, rule, budget, seed=seed)
    places = np.empty(pool.n_units, np.int64)
    places[units] = np.repeat(np.arange(len(shares)), [len(share.units) for share in shares])
    return [shares[place].name for place in places[pool.units[records]]]


def _drawn(
    pool: Pool, rule: Rule, budget: int, *, seed: int, allow_short: bool = False
) -> tuple[tuple[Share, ...], Integers, Integers]:
    """What each stratum supplies, the units of all of them, and their records in random order."""
    shares = choose(rule.candidates(pool, seed=seed), budget, allow_short=allow_short)
    units = np.concatenate([share.units for share in shares])
    return shares, units, shuffled_records(pool, units, seed=seed)


def _write_lines(pool: Pool, records: Integers, path: Path) -> str:
    sha256 = hashlib.sha256()
    with path.open("wb") as file:
        for line in pool.lines_of(records):
            sha256.update(line)
            file.write(line)
    return sha256.hexdigest()


def _supply(share: Share, difficulties: Floats) -> StratumSupply:
    return StratumSupply(
        name=share.name,
        weight=share.weight,
        wanted=share.wanted,
        supplied=len(share.units),
        available=share.available,
        difficulty=_distribution(difficulties[share.units]),
    )


def _distribution(difficulties: Floats) -> Distribution | None:
    known = difficulties[~np.isnan(difficulties)]
    if not len(known):
        return None
    least, lower, median, upper, greatest = np.quantile(known, [0, 0.25, 0.5, 0.75, 1]).tolist()
    return Distribution(
        mean=float(known.mean()),
        least=least,
        lower_quartile=lower,
        median=median,
        upper_quartile=upper,
        greatest=greatest,
    )


def _n_copies(pool: Pool, records: Integers) -> int:
    """Records whose text a record of another unit has too, the first one not counted."""
    texts = pool.texts[records]
    of_units = np.stack([texts, pool.units[records].astype(np.uint64)])
    return int(np.unique(of_units, axis=1).shape[1] - len(np.unique(texts)))


def _n_uneven(pool: Pool, records: Integers) -> int:
    records = records[~np.isnan(pool.difficulties[records])]
    units, difficulties = pool.units[records], pool.difficulties[records]
    least = np.full(pool.n_units, np.inf)
    greatest = np.full(pool.n_units, -np.inf)
    np.minimum.at(least, units, difficulties)
    np.maximum.at(greatest, units, difficulties)
    return int((least < greatest).sum())
