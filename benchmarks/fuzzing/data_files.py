"""Readers of data: certification data, pools, targets, held-out files, and the verifier's count."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Sequence
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any

from benchmarks.fuzzing.target import Target
from pacbayes.data.pool import read_pool
from pacbayes.data.sample import read_sample
from pacbayes.data.scoring import read_scoring, report_path
from pacbayes.plan import StratumInfo
from pacbayes.planning.rules import Interval, LabelMixture, Mixture, Nearest, Rule, Window
from pacbayes.planning.subset import write_subset
from pacbayes.planning.target import read_target
from pacbayes.verify.inputs import count

SAMPLE = Path(str(files("pacbayes.sample")))


def lines(*records: Any) -> bytes:
    """Records as JSONL."""
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


def chosen(content: bytes, options: Sequence[Any]) -> Any:
    """One of some options, by the content alone."""
    return options[zlib.crc32(content) % len(options)]


def put(folder: Path, name: str, content: bytes) -> Path:
    """A file with this content."""
    path = folder / name
    path.write_bytes(content)
    return path


RECORDS = (
    {"prompt": "2+2?", "completion": "4", "difficulty": 1, "stratum": "easy", "id": 1},
    {"prompt": "3*4?", "completion": "12", "difficulty": 2.5, "stratum": "easy", "group": "a"},
    {"prompt": "3*4 =", "completion": "12", "difficulty": 2.5, "stratum": "easy", "group": "a"},
    {"prompt": "d/dx x²?", "completion": "2x", "difficulty": 4, "stratum": "hard", "id": "q\u202e"},
    {"prompt": "∫?", "completion": "x", "difficulty": 7, "stratum": "hard", "group": 7.0},
)
RATES = [
    {"text": f"text {k}", "difficulty": 1 - k / 4, "pass_rate": {"k": k, "m": 4}, "level": k}
    for k in range(5)
]
CHATS = (
    {
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hi <b>!"},
            {"role": "assistant", "content": "Hello."},
        ],
        "level": "Level 2",
        "difficulty": 0,
    },
    {
        "messages": [{"role": "user", "content": ""}, {"role": "assistant", "content": "y"}],
        "level": "Level 10",
        "difficulty": -3,
    },
)


def data_seeds(_: Path) -> list[bytes]:
    """Files in the three forms, with byte-order mark, CRLF, blank lines, and none at all."""
    plain = lines(*RECORDS)
    return [
        plain,
        lines(*RATES),
        lines(*CHATS),
        b"\xef\xbb\xbf" + plain.replace(b"\n", b"\r\n"),
        b"\n\n" + plain + b"   \n",
        plain.rstrip(b"\n"),
        b"",
        b'{"prompt": "a", "prompt": "b", "completion": "c"}\n',
        b'{"text": "\\u0000\\u2028"}\n{"text": "' + "\u2028".encode() + b'"}\n',
    ]


_CUTS: tuple[dict[str, Any], ...] = (
    {},
    {"k": 2},
    {"edges": [2.0, 5.0]},
    {"levels": "difficulty"},
    {"levels": "level"},
    {"levels": "stratum"},
)


def _read_data(folder: Path, content: bytes) -> None:
    path = put(folder, "data.jsonl", content)
    read_sample([path], **chosen(content, _CUTS))


def _read_with_held_out(folder: Path, content: bytes) -> None:
    data = put(folder, "data.jsonl", lines(*RECORDS))
    other = put(folder, "other.jsonl", content)
    held_out = zlib.crc32(content) % 2
    given = {"held_out": [other]} if held_out else {"prior_data": [other]}
    read_sample([data], **given)


def _apart(_: Path) -> list[bytes]:
    changed = [r | {"prompt": f"new {r['prompt']}", "group": None, "id": None} for r in RECORDS]
    return [lines(*changed), lines(*CHATS), lines(*RATES), lines(*RECORDS)]


def _read_report(folder: Path, content: bytes) -> None:
    path = folder / "data.jsonl"
    report_path(path).write_bytes(content)
    found = read_scoring(path, "0" * 64)
    if found is not None:
        json.dumps([found.by, found.models, dict(found.settings)])


def _report_seeds(_: Path) -> list[bytes]:
    sha256 = {"sha256": "0" * 64}
    settings = {"by": "loss", "model": ["1" * 64, "2" * 64]}
    reports = (
        {"schema": "pacbayes.score/1", "out": sha256, "settings": {"score": settings}},
        {"schema": "pacbayes.selection/1", "subset": sha256, "scoring": {"by": "length"}},
    )
    return [json.dumps(report).encode() for report in reports]


def _rules(count: int) -> list[Callable[[], Rule]]:
    weights = {"easy": 0.5, "hard": 0.5}
    strata = tuple(
        Interval(name=name, low=low, high=high)
        for name, low, high in (("easy", -float("inf"), 3.0), ("hard", 3.0, float("inf")))
    )
    rules: list[Callable[[], Rule]] = [
        partial(Window, low=1.0, high=3.0),
        partial(Nearest, difficulty=4.0),
        partial(LabelMixture, weights=weights),
        partial(LabelMixture, weights={"Level 2": 1.0}, stratum_field="level"),
        partial(Mixture, weights=weights, strata=strata),
    ]
    return rules[:count]


def _read_pool(folder: Path, content: bytes) -> None:
    path, rule = put(folder, "pool.jsonl", content), chosen(content, _rules(5))()
    found = read_pool(path, stratum_field=rule.stratum_field, check=rule.check)
    out = folder / "subset.jsonl"
    report = write_subset(found, rule, 2, out, seed=0, allow_short=True)
    report.to_json()


_STRATA = (
    StratumInfo(name="easy", difficulty=2.0, low=None, high=3.0),
    StratumInfo(name="hard", difficulty=6.0, low=3.0, high=None),
)


def _read_target(folder: Path, content: bytes) -> None:
    read_target(put(folder, "target.jsonl", content), _STRATA)


def _target_seeds(_: Path) -> list[bytes]:
    grouped = [{"difficulty": 2, "group": 1}, {"difficulty": 2, "group": True}, {"stratum": "hard"}]
    return [lines(*RECORDS), lines(*grouped), lines({"difficulty": 1})]


def _count(folder: Path, content: bytes) -> None:
    count(put(folder, "data.jsonl", content))


TARGETS = (
    Target(name="jsonl-data", seeds=data_seeds, read=_read_data),
    Target(name="jsonl-held-out", seeds=_apart, read=_read_with_held_out),
    Target(name="jsonl-pool", seeds=data_seeds, read=_read_pool),
    Target(name="jsonl-target", seeds=_target_seeds, read=_read_target),
    Target(name="jsonl-verify", seeds=data_seeds, read=_count),
    Target(name="score-report", seeds=_report_seeds, read=_read_report),
)
