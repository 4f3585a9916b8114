"""What a run has left: whether all of it can be read, and whether it is what it should be."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any
from xml.etree import ElementTree

import numpy as np
import torch
from PIL import Image
from safetensors import safe_open

from pacbayes import schemas, strict_json
from pacbayes.certificate import Certificate
from pacbayes.plan import Plan
from pacbayes.runs import Run

_TIME = re.compile(rb"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?(\+00:00| UTC)?")
_TRACE = re.compile(r"(\..*)?\.lock|\..*\.\d+\.unfinished")


def traces(folder: Path) -> list[str]:
    """Locks that nobody holds and unfinished files, which a process that was stopped may leave."""
    return [str(p.relative_to(folder)) for p in folder.rglob("*") if _TRACE.fullmatch(p.name)]


def contents(folder: Path) -> dict[str, bytes]:
    """What every file but traces says, by its name, without the times in it."""
    return {str(path.relative_to(folder)): _content(path) for path in _files(folder)}


def _content(path: Path) -> bytes:
    if path.suffix == ".pt":  # equal values have many pickles
        return repr(_plain(torch.load(path, weights_only=True))).encode()
    return _TIME.sub(b"TIME", path.read_bytes())


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return (value.dtype, value.tolist()) if isinstance(value, torch.Tensor) else value


def stamps(folder: Path) -> dict[str, tuple[int, int]]:
    """Which file is at each name: another one, or a changed one, has another stamp."""
    found = ((path, path.stat()) for path in _files(folder))
    return {str(path.relative_to(folder)): (s.st_ino, s.st_mtime_ns) for path, s in found}


def unreadable(folder: Path) -> list[str]:
    """The files that are damaged, each with what is wrong with it."""
    return [
        f"{path.relative_to(folder)}: {wrong}"
        for path in _files(folder)
        if (wrong := _wrong_with(path)) is not None
    ]


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        within = path.relative_to(folder).parts
        if path.is_file() and not any(map(_TRACE.fullmatch, within)):
            yield path


def _wrong_with(path: Path) -> str | None:
    read = _READ.get(path.suffix)
    if read is None:
        return "a file of a kind that no run should leave"
    try:
        read(path)
    except Exception as error:  # whatever a reader makes of it
        return f"{type(error).__name__}: {error}"
    return None


def _json(path: Path) -> None:
    value = strict_json.parse(path.read_bytes().decode())
    for start, schema, document in _DOCUMENTS:
        if path.name.startswith(start):
            document.read(path)
            if schema is not None and (found := list(schemas.problems(value, schema))):
                raise ValueError(found[0])


_DOCUMENTS = (
    ("certificate", "certificate", Certificate),
    ("plan", "plan", Plan),
    ("run", None, Run),
)


def _lines(path: Path) -> None:
    content = path.read_bytes()
    if content and not content.endswith(b"\n"):
        raise ValueError("the last line has no end")
    for line in content.splitlines():
        json.loads(line)


def _tensors(path: Path) -> None:
    with safe_open(path, framework="pt") as file:
        for name in file.keys():  # noqa: SIM118
            file.get_tensor(name)


def _picture(path: Path) -> None:
    with Image.open(path) as image:
        image.load()


def _page(path: Path) -> None:
    if not path.read_text().rstrip().endswith("</html>"):
        raise ValueError("it has no end")


def _part(path: Path) -> None:
    """The beginning of an output: what its note says of it is the next run's to check."""


_READ: Mapping[str, Callable[[Path], object]] = MappingProxyType(
    {
        ".json": _json,
        ".jsonl": _lines,
        ".npy": lambda path: np.load(path, allow_pickle=False),
        ".safetensors": _tensors,
        ".pt": lambda path: torch.load(path, weights_only=True),
        ".png": _picture,
        ".svg": ElementTree.parse,
        ".html": _page,
        ".part": _part,
    }
)
