"""Setting a sweep up: its data apart from one another, and what its folder says of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pacbayes import __version__, strict_json
from pacbayes.data.pool import Integers, Pool, read_pool
from pacbayes.data.records import Record, sha256_of
from pacbayes.errors import InputError
from pacbayes.files import LOCK, read_file, write_atomically
from pacbayes.models import folder as folders
from pacbayes.planning.rules import Rule
from pacbayes.planning.selection import apportion
from pacbayes.sweep.cell import Study
from pacbayes.sweep.cells import Cell, file_name, require_own_folders
from pacbayes.sweep.held_out import apart_from, count_tests, split_by_hash, write_tests
from pacbayes.sweep.mixtures import Weights, checked
from pacbayes.sweep.recipe import Recipe
from pacbayes.sweep.strata import describe_rules, label_rules

SCHEMA = "pacbayes.sweep/1"
SWEEP_FILE = "sweep.json"
TESTS = "tests"
BASE_RISK = "base_risk.json"


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """What a sweep is made from; the names are those of the command line.

    Attributes:
        base: Folder of the base model.
        pool: JSONL with difficulties.
        rules: The strata; None for the values of `strata_levels`.
        strata_levels: A field whose values are the strata.
        mixtures: Mixtures of the strata that cells are trained on too, by name.
        test: Held-out JSONL, cut into the same strata; none to hold a part of the pool out.
        held_out_share: That part.
        target: JSONL of the target, with what the model should answer.
        recipe: How to train and certify.
    """

    base: Path
    pool: Path
    rules: dict[str, Rule] | None
    strata_levels: str | None
    mixtures: Mapping[str, Weights]
    test: tuple[Path, ...]
    held_out_share: float
    target: Path | None
    recipe: Recipe


@dataclass(frozen=True, kw_only=True)
class SetUp:
    """A sweep that is ready to be made.

    Attributes:
        study: What its cells have in common.
        pools: Where test units are: a pool with the numbers of its units.
        n_tests: Their number, in all strata.
        note: What `sweep.json` says.
        out: The sweep's folder.
    """

    study: Study
    pools: Sequence[tuple[Pool, Integers]]
    n_tests: int
    note: dict[str, Any]
    out: Path

    def write(self) -> None:
        """Write the tests and `sweep.json`.

        Raises:
            InputError: They cannot be written.
        """
        text = json.dumps(self.note, indent=2, ensure_ascii=False) + "\n"
        try:
            # first, as a folder with anything else and without it is refused
            write_atomically(self.out / SWEEP_FILE, text.encode(errors="backslashreplace"))
            write_tests(self.pools, self.study.rules, self.study.tests)
        except OSError as error:
            raise InputError(f"cannot be written: {error.strerror}.", path=self.out) from error


def set_up(inputs: Inputs, out: Path) -> SetUp:
    """Read the inputs and keep tests apart from the pool; nothing is written.

    Args:
        inputs: What the sweep is made from.
        out: The sweep's folder: a new one, or that of the same sweep.

    Raises:
        InputError: The inputs cannot be read, a test or target record is in the pool too, a
            stratum has no test units, or the folder is of another sweep.
    """
    folders.read_tensors(inputs.base)
    field = inputs.strata_levels or "stratum"
    held = (*inputs.test, *([] if inputs.target is None else [inputs.target]))
    pool = _scored_pool(inputs.pool, field, apart_from(held))
    rules = inputs.rules or label_rules(pool.label_names, field)
    mixtures = checked(inputs.mixtures, rules)
    pools, set_aside = _apart(inputs, pool, field)
    n_tests = count_tests(pools, rules)
    note = _note(inputs, pool, rules)
    known = known_mixtures(out, note)
    _require_same_weights(out, known, mixtures)
    if every := checked({**known, **mixtures}, rules):
        note["mixtures"] = every
    require_own_folders([*rules, *every])
    study = Study(
        base=inputs.base,
        pool=pool,
        set_aside=set_aside,
        rules=rules,
        mixtures=mixtures,
        label_field=inputs.strata_levels,
        tests={name: out / TESTS / f"{file_name(name)}.jsonl" for name in rules},
        target=inputs.target,
        base_risk=out / BASE_RISK,
        recipe=inputs.recipe,
    )
    return SetUp(study=study, pools=pools, n_tests=n_tests, note=note, out=out)


def _scored_pool(path: Path, field: str, check: Callable[[Record], None]) -> Pool:
    def scored(record: Record) -> None:
        if record.difficulty is None:
            raise record.error("record without `difficulty`; score the pool (`pacbayes score`).")
        check(record)

    return read_pool(path, stratum_field=field, check=scored)


def _apart(inputs: Inputs, pool: Pool, field: str) -> tuple[list[tuple[Pool, Integers]], Integers]:
    """Pools with their units for tests, and the units of the pool that are not for training."""
    if not inputs.test:
        held_out, set_aside = split_by_hash(pool, inputs.held_out_share)
        return [(pool, held_out)], set_aside
    tests = [read_pool(path, stratum_field=field) for path in inputs.test]
    return [(test, np.arange(test.n_units)) for test in tests], np.arange(0)


def _note(inputs: Inputs, pool: Pool, rules: dict[str, Rule]) -> dict[str, Any]:
    """Everything a cell is a function of beside its mixture's weights, its budget and its seed."""
    tests: Any = [sha256_of(path) for path in inputs.test]
    return {
        "schema": SCHEMA,
        "version": __version__,
        "base": folders.identity(inputs.base),
        "pool": pool.sha256,
        "strata": describe_rules(rules),
        "tests": tests or {"held_out_share": inputs.held_out_share},
        "target": None if inputs.target is None else sha256_of(inputs.target),
        "recipe": {**asdict(inputs.recipe), "lora_targets": list(inputs.recipe.lora_targets)},
    }


def known_mixtures(out: Path, note: dict[str, Any]) -> dict[str, Weights]:
    """The mixtures that a folder of the same sweep has already."""
    path = out / SWEEP_FILE
    if not path.is_file():
        if out.is_dir() and any(path.name != LOCK for path in out.iterdir()):
            raise InputError(f"is not empty and has no {SWEEP_FILE}; give a new --out.", path=out)
        return {}
    try:
        found = strict_json.parse(read_file(path).decode())
    except (OSError, ValueError) as error:
        raise InputError(f"cannot be read ({error}).", path=path) from error
    for key in note:
        if not isinstance(found, dict) or found.get(key) != note[key]:
            raise InputError(
                f"is of a sweep with another `{key}`; only --budgets, --seeds and --mix may "
                "change, give another --out.",
                path=path,
            )
    mixtures: dict[str, Weights] = found.get("mixtures", {})
    if not (isinstance(mixtures, dict) and all(map(_are_weights, mixtures.values()))):
        raise InputError("`mixtures` must be an object of shares by stratum.", path=path)
    return mixtures


def _are_weights(value: object) -> bool:
    return isinstance(value, dict) and all(
        type(share) in (int, float) and 0 <= share <= 1 for share in value.values()
    )


def _require_same_weights(
    out: Path, known: Mapping[str, Weights], mixtures: Mapping[str, Weights]
) -> None:
    for name in mixtures.keys() & known.keys():
        if known[name] != mixtures[name]:
            raise InputError(
                f"has a mixture {name!r} of other weights; give this one another name.",
                path=out / SWEEP_FILE,
            )


def require_enough(study: Study, cells: Sequence[Cell]) -> None:
    """Refuse cells that the pool has too few units for, before the first is made.

    Raises:
        InputError: There is one.
    """
    for cell in cells:
        candidates = study.rule(cell.stratum).candidates(study.pool, seed=0)
        wanted = apportion(cell.budget, [of_one.weight for of_one in candidates])
        for of_one, count in zip(candidates, wanted, strict=True):
            if len(of_one.units) < count:
                have = f"has {len(of_one.units)} units to train on, fewer than the"
                what = f"stratum {cell.stratum!r} {have} budget {cell.budget}."
                if cell.stratum in study.mixtures:
                    what = (
                        f"stratum {of_one.name!r} {have} {count} that mixture {cell.stratum!r} "
                        f"takes of it at budget {cell.budget}."
                    )
                raise InputError(what, path=study.pool.path)
