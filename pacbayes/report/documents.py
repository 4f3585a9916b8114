"""Certificates and plans from run folders and files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias

from pacbayes import certificate, plan, strict_json
from pacbayes.certificate import Certificate
from pacbayes.errors import InputError
from pacbayes.plan import Plan
from pacbayes.schema import read_values

Document: TypeAlias = Certificate | Plan

_NOUN = "a certificate or a plan"
_KINDS: Mapping[str, type[Certificate] | type[Plan]] = MappingProxyType(
    {certificate.SCHEMA: Certificate, plan.SCHEMA: Plan}
)


@dataclass(frozen=True, kw_only=True)
class Found:
    """A certificate or a plan and the file it is from."""

    path: Path
    document: Document


def read_documents(paths: Iterable[Path]) -> list[Found]:
    """Every certificate and plan at some paths, each file once, in this order.

    Args:
        paths: Files, told apart by their `schema`; or run folders, which give their
            `certificate*.json` and `plan.json`; or folders of run folders, as a sweep is.

    Raises:
        InputError: A path does not exist or has neither; or a file is not what it says it is.
    """
    files = {file.resolve(): file for path in paths for file in _files(path)}
    return [_read(file) for file in files.values()]


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    # not iterdir, which fails where a folder may not be read
    below = sorted(filter(Path.is_dir, path.glob("*")), key=_by_number)
    found = _in_folder(path) or [file for folder in below for file in _in_folder(folder)]
    if not found:
        raise InputError(
            "a folder without certificate.json or plan.json, in it or in a folder of it.", path=path
        )
    return found


def _by_number(path: Path) -> list[tuple[int, str]]:
    """A key that puts a cell of 500 units before one of 1000."""
    parts = re.findall(r"[0-9]+|[^0-9]+", path.name)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


def _in_folder(folder: Path) -> list[Path]:
    # certificate.json before certificate.drawn.json
    certificates = sorted(folder.glob("certificate*.json"), key=lambda file: file.stem)
    return certificates + sorted(folder.glob("plan.json"))


def _read(path: Path) -> Found:
    values = read_values(path, _NOUN)
    schema = values.get("schema") if isinstance(values, dict) else strict_json.kind(values)
    kind = _KINDS.get(schema) if isinstance(schema, str) else None
    if kind is None:
        schemas = " or ".join(map(repr, _KINDS))
        raise InputError(f"not {_NOUN}: `schema` must be {schemas}, got {schema!r}.", path=path)
    try:
        return Found(path=path, document=kind.from_dict(values))
    except InputError as error:
        raise InputError(str(error), path=path) from error
