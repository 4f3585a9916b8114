"""How much memory and time `pacbayes score` takes for many records.

Run ``PYTHONPATH=. python benchmarks/score_memory.py [--records 1000000]``; prints one line of JSON:
bytes of the file, and for each measure the time, and the peak of resident memory of the process in
MiB. The file is written to a temporary folder, in the shape of data with pass rates, one
in 20 of which is null. Tokens are counted with the tokenizer of the shipped sample, one a
character.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

TOKENIZER = Path(__file__).parents[1] / "pacbayes" / "sample" / "base"
MEASURES = {
    "field": (
        *("--field", "solve_rate", "--orientation", "easier", "--scale", "rate"),
        *("--rate-of", "64", "--missing", "skip"),
    ),
    "steps": ("--by", "steps", "--steps", "lines"),
    "tokens": ("--by", "tokens", "--tokenizer", str(TOKENIZER)),
}
PROGRAM = "from pacbayes.cli import main; main()"


def main() -> None:
    """Writes the file, scores it by each measure and prints what that took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=1_000_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data.jsonl"
        write(data, options.records)
        report = {
            "records": options.records,
            "bytes": data.stat().st_size,
            "measures": {
                name: measured(data, arguments, options.records)
                for name, arguments in MEASURES.items()
            },
        }
    print(json.dumps(report))


def write(path: Path, n: int) -> None:
    """Writes made-up records with a prompt, a completion of some lines and a solve rate."""
    rng = random.Random(0)
    with path.open("w", encoding="utf-8") as file:
        for i in range(n):
            lines = [f"{rng.random():.12f}+{i}={rng.random():.12f}" for _ in range(2 + i % 9)]
            rate = None if i % 20 == 0 else rng.randrange(65) / 64
            record = {
                "id": i,
                "prompt": "".join(rng.choices("abcdefgh=;+", k=150)),
                "completion": "\n".join(lines),
                "solve_rate": rate,
            }
            file.write(json.dumps(record) + "\n")


def measured(data: Path, arguments: Sequence[str], n: int) -> dict[str, float]:
    """Scores the file in a process of its own."""
    out = data.with_name("scored.jsonl")
    command = [sys.executable, "-c", PROGRAM, "score", "--data", str(data), "--out", str(out)]
    started = time.perf_counter()
    child = subprocess.Popen(
        [*command, "--overwrite", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - started
    if status:
        raise SystemExit(f"scoring ended with status {os.waitstatus_to_exitcode(status)}")
    per_mib = 1024 if sys.platform.startswith("linux") else 1024**2
    return {
        "seconds": round(seconds, 1),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 1),
        "records_per_second": round(n / seconds),
        "peak_mib": round(usage.ru_maxrss / per_mib, 1),
    }


if __name__ == "__main__":
    main()
