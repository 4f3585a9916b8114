"""Readers of finished runs and of a sweep's folder."""

from __future__ import annotations

import json
import math
from functools import lru_cache
from pathlib import Path
from typing import Any

from benchmarks.fuzzing.data_files import SAMPLE, put
from benchmarks.fuzzing.documents import certificate_seeds
from benchmarks.fuzzing.target import Target
from pacbayes.planning.rules import Window
from pacbayes.runs import read_runs
from pacbayes.sweep.mixtures import checked
from pacbayes.sweep.study import SWEEP_FILE, known_mixtures


def _seeds(_: Path) -> list[bytes]:
    lines = (SAMPLE / "pilots" / "runs.jsonl").read_bytes().splitlines(keepends=True)
    return [b"".join(lines[i : i + 4]) for i in range(0, 8, 4)] + [b"", b"\n" + lines[0]]


def _read_lines(folder: Path, content: bytes) -> None:
    read_runs(put(folder, "runs.jsonl", content))


def _read_beside(folder: Path, content: bytes) -> None:
    for name in ("a", "b"):
        (folder / name).mkdir(exist_ok=True)
    put(folder, "a/run.json", content)
    put(folder, "a/certificate.json", _certificate())
    put(folder, "b/run.json", _other_run())
    read_runs(folder)


@lru_cache
def _certificate() -> bytes:
    return certificate_seeds(Path())[0]


def _lines() -> list[dict[str, Any]]:
    return [json.loads(line) for line in _seeds(Path())[0].splitlines()]


@lru_cache
def _other_run() -> bytes:
    certificate = json.loads(_certificate())
    shared = {"loss": certificate["loss"]["name"], "delta": certificate["delta"]["total"]}
    return json.dumps(_lines()[1] | shared | {"difficulty": 9.0}).encode()


def _run_seeds(_: Path) -> list[bytes]:
    full = _lines()[0]
    kept = ("schema", "difficulty", "seed", "base", "base_strength", "base_target")
    few = {key: full[key] for key in kept}
    return [json.dumps(full).encode(), json.dumps(few).encode(), json.dumps(few, indent=1).encode()]


_NOTE = {"schema": "pacbayes.sweep/1", "pool": "0" * 64}
_RULES = {name: Window(low=low, high=low + 1) for name, low in (("a", 1.0), ("b", 3.0))}


def _sweep_seeds(_: Path) -> list[bytes]:
    mixtures = {"both": {"a": 0.5, "b": 0.5}}
    return [json.dumps(_NOTE | {"mixtures": mixtures}).encode(), json.dumps(_NOTE).encode()]


def _read_sweep(folder: Path, content: bytes) -> None:
    put(folder, SWEEP_FILE, content)
    found = checked(known_mixtures(folder, _NOTE), _RULES)
    if not all(math.isfinite(w) for weights in found.values() for w in weights.values()):
        raise AssertionError("a weight is not finite")


TARGETS = (
    Target(name="runs-jsonl", seeds=_seeds, read=_read_lines),
    Target(name="run-json", seeds=_run_seeds, read=_read_beside),
    Target(name="sweep-json", seeds=_sweep_seeds, read=_read_sweep),
)
