"""Reading the committed results of studies: runs of one base model, and how they were made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pacbayes import strict_json
from pacbayes.errors import InputError
from pacbayes.plan import Target
from pacbayes.runs import Measured, RunSet, read_runs

RESULTS = Path(__file__).parents[1] / "results" / "study"


@dataclass(frozen=True, kw_only=True)
class Study:
    """The fine-tunes of one base model in one study.

    Attributes:
        subject: Name of the study with its size, such as `igsm.cpu`.
        base: Name of the base model.
        found: Its runs.
        strata: Names of the strata, from easy to hard.
        target: Shares of the strata in the target.
        base_tests: The base model's own risk on each stratum, where it was measured.
        note: How the study was made.
    """

    subject: str
    base: str
    found: RunSet
    strata: tuple[str, ...]
    target: Target
    base_tests: Mapping[str, Measured]
    note: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Study and base."""
        return f"{self.subject} {self.base}"


def read_studies(folder: str | Path = RESULTS) -> tuple[Study, ...]:
    """Read every study of a folder, each base on its own.

    A study is `NAME.json` with `strata` from easy to hard, `target.weights` and `bases`; the runs
    of each base are in `NAME.BASE.jsonl` beside it.

    Raises:
        InputError: There is no study, a file is missing or cannot be read, or runs were trained or
            tested on strata that the study does not name.
    """
    paths = sorted(Path(folder).glob("*.json"))
    if not paths:
        raise InputError(
            "no study here, that is no NAME.json with NAME.BASE.jsonl beside it; run "
            "`python -m benchmarks.study` first.",
            path=folder,
        )
    return tuple(study for path in paths for study in _read(path))


def _read(path: Path) -> Iterator[Study]:
    note = _note(path)
    try:
        strata = tuple(str(stratum["name"]) for stratum in note["strata"])
        target = Target(weights=dict(note["target"]["weights"]), path=None, sha256=None, n=None)
        bases = dict(note["bases"])
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise InputError(str(error), path=path) from error
        raise InputError(
            "a study needs `strata` with a `name` each, `target.weights` and `bases`; the usual "
            f"mistake is another JSON file in the folder ({type(error).__name__}: {error}).",
            path=path,
        ) from error
    if not bases:
        raise InputError("`bases` is empty: no base of this study has runs yet.", path=path)
    for base, described in bases.items():
        file = path.with_name(f"{path.stem}.{base}.jsonl")
        study = Study(
            subject=path.stem,
            base=base,
            found=read_runs(file),
            strata=strata,
            target=target,
            base_tests=_tests(described, strata, path),
            note=note,
        )
        _require_known(study, file)
        yield study


def _note(path: Path) -> dict[str, Any]:
    try:
        note = strict_json.parse(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}.", path=path) from error
    except (UnicodeDecodeError, strict_json.JsonError) as error:
        raise InputError(f"not JSON: {error}.", path=path) from error
    if not isinstance(note, dict):
        raise InputError("not a JSON object.", path=path)
    return note


def _tests(described: Any, strata: tuple[str, ...], path: Path) -> dict[str, Measured]:
    """The base's own risks; other keys beside the strata are notes."""
    given = described.get("tests") if isinstance(described, dict) else None
    try:
        return {
            name: Measured(mean=given[name]["mean"], n=given[name]["n"])
            for name in strata
            if given and name in given
        }
    except (KeyError, TypeError, InputError) as error:
        raise InputError(
            f"`bases.*.tests` must have `mean` and `n` for each stratum ({error}).", path=path
        ) from error


def _require_known(study: Study, file: Path) -> None:
    for run in study.found.runs:
        unknown = set(run.train_weights) - set(study.strata)
        untested = set(study.strata) - set(run.tests)
        if unknown or untested:
            what = (
                f"trained on {sorted(unknown)}" if unknown else f"not tested on {sorted(untested)}"
            )
            raise InputError(
                f"a run of budget {run.budget}, seed {run.seed} was {what}, while the strata of "
                f"{study.subject}.json are {list(study.strata)}.",
                path=file,
            )
