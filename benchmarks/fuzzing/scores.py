"""Scoring: files with a field to score by, and what an interrupted run has left."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from pathlib import Path

from benchmarks.fuzzing.data_files import CHATS, RATES, RECORDS, chosen, lines, put
from benchmarks.fuzzing.target import Target
from pacbayes.difficulty import (
    PRESETS,
    FieldScorer,
    Layout,
    OutputRules,
    Scorer,
    by_steps,
    scale_of,
    score_file,
)
from pacbayes.difficulty.length import STEPS


class Interruption(BaseException):
    """Ends a run as a signal does."""


_FIELDS = (
    {"level": "Level 3", "cf_rating": 1200, "difficulty": 3.5, "prompt": "a", "completion": "b\nc"},
    {"level": "Level ?", "cf_rating": 0, "difficulty": "7.5", "prompt": "a", "completion": "b. c."},
    {"level": 5, "cf_rating": None, "difficulty": None, "prompt": "", "completion": "x"},
)
_SHARES = (
    {"difficulty": "3/8", "llama8b_solve_rate": 0.5, "pass_rate_72b_tir": "0.25", "problem": "p"},
    {"difficulty": "8/8", "llama8b_solve_rate": None, "pass_rate_72b_tir": "n/a", "problem": 7},
    {"difficulty": "50%", "llama8b_solve_rate": 1, "pass_rate_72b_tir": 1.0, "problem": "q" * 80},
)
_WORDS = ({"difficulty": "EASY"}, {"difficulty": "very_hard"}, {"difficulty": "UNKNOWN_DIFFICULTY"})


def _seeds(_: Path) -> list[bytes]:
    kinds = (_FIELDS, _SHARES, _WORDS, RECORDS, RATES, CHATS)
    return [lines(*kind) for kind in kinds] + [b"", b"\xef\xbb\xbf" + lines(*_WORDS)]


def _guessed(path: Path) -> Scorer:
    scale = scale_of(path, "difficulty", ("0", "x"))
    return FieldScorer(field="difficulty", orientation="harder", scale=scale, rate_of=8)


def _scorer(path: Path, content: bytes) -> Scorer:
    ways = [*PRESETS, "guessed", "guessed", "steps", "pattern"]
    way = chosen(content, ways)
    if way == "guessed":
        return _guessed(path)
    if way == "steps":
        return by_steps(STEPS["sentences"], Layout(prompt="level", completion="completion"))
    if way == "pattern":
        return by_steps(r"\s+", Layout(chat=True))
    return PRESETS[way].scorer()


_RULES = tuple(
    OutputRules(missing=missing, group_field=group, layout=layout)  # type: ignore[arg-type]
    for missing in ("error", "skip", "keep")
    for group, layout in (
        (None, Layout()),
        ("problem", Layout(prompt="level", completion="prompt")),
    )
)


def _score(folder: Path, content: bytes) -> None:
    source, out = put(folder, "data.jsonl", content), folder / "scored.jsonl"
    rules = chosen(content[::-1], _RULES)
    score_file(source, out, _scorer(source, content), rules, overwrite=True)


_SOURCE = lines(*({"difficulty": 0.5 + i} for i in range(6)))
_LINE = FieldScorer(field="difficulty", orientation="harder", scale="number")


class _Stopping(FieldScorer):
    """Is interrupted at the second record, one at a time."""

    chunk = 1

    def score(self, items):  # type: ignore[no-untyped-def]
        if items[0].line > 2:
            raise Interruption
        return super().score(items)


def _part_seeds(folder: Path) -> list[bytes]:
    source, out = put(folder, "data.jsonl", _SOURCE), folder / "scored.jsonl"
    stopping = _Stopping(field="difficulty", orientation="harder", scale="number")
    with suppress(Interruption):
        score_file(source, out, stopping, OutputRules())
    state = (folder / "scored.jsonl.part.json").read_bytes()
    return [state, b"{}", b"[]", re.sub(rb'"line": \d+', b'"line": -1', state)]


def _resume(folder: Path, content: bytes) -> None:
    source, out = put(folder, "data.jsonl", _SOURCE), folder / "scored.jsonl"
    put(folder, "scored.jsonl.part.json", content)
    written = b"".join(json.dumps({"difficulty": 0.5 + i}).encode() + b"\n" for i in range(2))
    put(folder, "scored.jsonl.part", written)
    out.unlink(missing_ok=True)
    score_file(source, out, _LINE, OutputRules())
    if out.read_bytes() != _SOURCE:
        raise AssertionError("the continued file is another than that of one run")


TARGETS = (
    Target(name="jsonl-scored", seeds=_seeds, read=_score),
    Target(name="score-part", seeds=_part_seeds, read=_resume),
)
