"""Reading runs from a folder or a file; what cannot be understood is an error with its place."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from pacbayes import strict_json
from pacbayes.certificate import Certificate
from pacbayes.errors import InputError
from pacbayes.files import read_file
from pacbayes.runs.comparable import require_comparable
from pacbayes.runs.from_certificate import values_of
from pacbayes.runs.run import Run

RUN_FILE = "run.json"
RUNS_FILE = "runs.jsonl"
CERTIFICATE_FILE = "certificate.json"


@dataclass(frozen=True, kw_only=True)
class RunSet:
    """Comparable runs, and where they were read from.

    Attributes:
        runs: The runs, by difficulty, budget, seed and base.
        path: The folder or file, as it was given.
        sha256: Of a file its hash. Of a folder that of its run and certificate files: the digest
            of their list as `sha256sum` prints it, sorted by path.
    """

    runs: tuple[Run, ...]
    path: str
    sha256: str


def read_runs(path: str | Path) -> RunSet:
    """Read all `run.json` below a folder, or a `runs.jsonl` (a folder may hold that instead).

    Raises:
        InputError: There are none, a file is not a run or contradicts its certificate, or the runs
            cannot be compared, see `require_comparable`; the file, and line, is named.
    """
    root = Path(path)
    if root.is_dir():
        found = sorted(root.rglob(RUN_FILE))
        if found:
            places = [(_read_run(file), str(file)) for file in found]
            sources = [*found, *(p for p in map(_certificate_beside, found) if p.is_file())]
            sha256 = _digest_of_list(root, sources)
            return RunSet(runs=_comparable(places), path=str(path), sha256=sha256)
        root = root / RUNS_FILE
        if not root.is_file():
            raise InputError(
                f"no {RUN_FILE} at any depth and no {RUNS_FILE}; the usual mistake is the folder "
                "of one checkpoint.",
                path=path,
            )
    content = _bytes_of(root)
    places = _read_lines(root, content)
    sha256 = hashlib.sha256(content).hexdigest()
    return RunSet(runs=_comparable(places), path=str(path), sha256=sha256)


def _bytes_of(path: Path) -> bytes:
    try:
        return read_file(path)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}.", path=path) from error


def _digest_of_list(root: Path, files: Iterable[Path]) -> str:
    lines = (
        f"{hashlib.sha256(_bytes_of(file)).hexdigest()}  {file.relative_to(root).as_posix()}\n"
        for file in sorted(files)
    )
    return hashlib.sha256("".join(lines).encode(errors="surrogateescape")).hexdigest()


def _read_lines(path: Path, content: bytes) -> list[tuple[Run, str]]:
    places = []
    for number, line in enumerate(content.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        if line.strip():
            try:
                places.append((_run_of(_parse(line), None), f"{path}:{number}"))
            except InputError as error:
                raise InputError(str(error), path=path, line=number) from error
    if not places:
        raise InputError("no runs; the file is empty or has only blank lines.", path=path)
    return places


def _certificate_beside(run: Path) -> Path:
    return run.with_name(CERTIFICATE_FILE)


def _read_run(path: Path) -> Run:
    beside = _certificate_beside(path)
    certificate = Certificate.read(beside) if beside.is_file() else None
    try:
        return _run_of(_parse(_bytes_of(path)), certificate)
    except InputError as error:
        raise InputError(str(error), path=path) from error


def _parse(content: bytes) -> dict[str, Any]:
    try:
        values = strict_json.parse(content.decode("utf-8-sig"))
    except (UnicodeDecodeError, strict_json.JsonError) as error:
        why = "invalid UTF-8" if isinstance(error, UnicodeDecodeError) else error
        raise InputError(f"not a run: {why}.") from error
    Run.require_schema(values.get("schema") if isinstance(values, dict) else None)
    given: dict[str, Any] = values
    return given


_OPTIONAL = ("base_strength", "target", "base_target")


def _run_of(given: dict[str, Any], certificate: Certificate | None) -> Run:
    """The run of a file, with what it leaves to its certificate and to null."""
    values = dict.fromkeys(_OPTIONAL) | {k: v for k, v in given.items() if v is not None}
    if certificate is not None:
        values = _filled(values, certificate)
    # the reader names what is missing; what a reader of JSON cannot tell is why
    for field in fields(Run):
        if field.name not in values:
            beside = "" if certificate else f", and there is no {CERTIFICATE_FILE} beside it"
            raise InputError(f"`{field.name}` is missing{beside}.")
    return Run.from_dict(values)


def _filled(values: dict[str, Any], certificate: Certificate) -> dict[str, Any]:
    """The values with those of the certificate.

    Raises:
        InputError: Both give one, and they differ.
    """
    certified = values_of(certificate)
    tests = certified.pop("tests")
    for name, value in certified.items():
        # a name of the base is the author's to choose; the certificate only knows its weights
        if name in values and name != "base" and not _same(values[name], value):
            raise InputError(
                f"`{name}` is {values[name]} here and {value} in {CERTIFICATE_FILE} beside it; "
                "the usual mistake is the certificate of another fine-tune."
            )
    given = values.get("tests", {})
    # tests of the run's own are kept: they may be on other files than the certificate's
    merged = tests | given if isinstance(given, dict) else given
    # a value that was copied with fewer digits must not be better than the certificate's
    named = {"base": values["base"]} if "base" in values else {}
    return values | certified | named | {"tests": merged}


def _same(given: Any, certified: Any) -> bool:
    if isinstance(certified, dict) and isinstance(given, dict):
        return given.keys() == certified.keys() and all(
            _same(given[key], value) for key, value in certified.items()
        )
    if isinstance(certified, list) and isinstance(given, list):
        return len(given) == len(certified) and all(map(_same, given, certified))
    if isinstance(given, int | float) and isinstance(certified, int | float):
        # as many digits as people copy
        return math.isclose(given, certified, rel_tol=1e-4, abs_tol=1e-6)
    return bool(given == certified)


def _comparable(places: Sequence[tuple[Run, str]]) -> tuple[Run, ...]:
    """The runs in order, refused if they cannot be compared."""
    require_comparable(*zip(*places, strict=True))
    runs = [run for run, _ in places]
    return tuple(sorted(runs, key=lambda r: (r.difficulty, r.budget, r.seed, r.base)))
