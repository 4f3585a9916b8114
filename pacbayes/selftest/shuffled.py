"""A certificate of wrong labels says nothing, and that of the right ones something true."""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from pacbayes.certificate import Certificate
from pacbayes.certify import certify
from pacbayes.data.records import Record
from pacbayes.data.sample import read_sample
from pacbayes.selftest.bench import Bench, problems
from pacbayes.selftest.finding import FALSE_ALARM, Finding
from pacbayes.settings import Settings

LEVEL = "easy"
N, N_HELD_OUT = 600, 200


def check(bench: Bench) -> Iterator[Finding]:
    """Certifies part of the sample with its own and with shuffled completions."""
    records = problems(f"{LEVEL}.jsonl", N)
    held_out = problems(f"{LEVEL}.held_out.jsonl", N_HELD_OUT)
    (wrong,) = certified(bench, shuffled(records, bench.seed), ()).strata
    yield Finding(
        what="certified risk with shuffled labels (1: vacuous)",
        figure=wrong.risk_bound[1],
        limit=1.0,
        at_least=True,
    )
    (right,) = certified(bench, records, held_out).strata
    upper = right.risk_bound[1]
    yield Finding(what="certified risk with the true labels", figure=upper, limit=0.95)
    if right.held_out is None:
        raise ValueError("the certificate lacks the held-out risk that was asked for")
    # either bound is wrong with this probability
    yield Finding(
        what="held-out lower bound of the same risk",
        figure=right.held_out.stochastic.interval[0],
        limit=upper,
        false_alarm=2 * FALSE_ALARM,
    )


def shuffled(records: Sequence[Record], seed: int) -> list[Record]:
    """The records with one another's completions."""
    completions = [record.completion for record in records]
    random.Random(seed).shuffle(completions)
    return [
        replace(record, completion=completion)
        for record, completion in zip(records, completions, strict=True)
    ]


def certified(bench: Bench, records: Sequence[Record], held_out: Sequence[Record]) -> Certificate:
    """The certificate of the sample's adapter on some records."""
    settings = Settings(passes=1, pilot=64, delta=FALSE_ALARM, seed=bench.seed)
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / name for name in ("data.jsonl", "held_out.jsonl")]
        for path, written in zip(paths, (records, held_out), strict=True):
            path.write_text("".join(map(_line, written)), encoding="utf-8")
        sample = read_sample(paths[:1], held_out=paths[1:] if held_out else ())
        (certificate,) = certify(bench.model(LEVEL), sample, settings)
    return certificate


def _line(record: Record) -> str:
    return json.dumps({"prompt": record.prompt, "completion": record.completion}) + "\n"
