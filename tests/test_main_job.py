"""The main job on the shipped sample, as a user runs it, and its negative control."""

import json
import random
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest

from pacbayes.certificate import Certificate

SAMPLE = Path(str(files("pacbayes.sample")))


def run(out, *arguments):
    command = [sys.executable, "-c", "from pacbayes.cli import bound_main; bound_main()"]
    return subprocess.run(
        [*command, "--out", str(out), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("level", "limits"),
    [("easy", {"": 0.30, ".token": 0.10}), ("hard", {"": 0.90, ".token": 0.40})],
)
def test_main_job(tmp_path, level, limits):
    data = SAMPLE / "data"
    done = run(
        tmp_path,
        *("--checkpoint", SAMPLE / "adapters" / level),
        *("--data", data / f"{level}.jsonl", "--held-out", data / f"{level}.held_out.jsonl"),
        *("--loss", "exact", "--loss", "token", "--passes", 1, "--require-nonvacuous"),
    )
    assert done.returncode == 0, done.stderr
    assert "certified" in done.stdout
    for suffix, limit in limits.items():
        (stratum,) = Certificate.read(tmp_path / f"certificate{suffix}.json").strata
        lower, upper = stratum.risk_bound
        assert stratum.n == 8000
        assert lower <= stratum.held_out.stochastic.mean <= upper <= limit
    assert (tmp_path / "figures" / "certificate.png").stat().st_size > 1000


def test_negative_control_shuffled_labels(tmp_path):
    records = [json.loads(line) for line in (SAMPLE / "data" / "easy.jsonl").open()][:1000]
    completions = [record["completion"] for record in records]
    random.Random(0).shuffle(completions)
    for record, completion in zip(records, completions, strict=True):
        record["completion"] = completion
    shuffled = tmp_path / "shuffled.jsonl"
    shuffled.write_text("\n".join(map(json.dumps, records)))
    done = run(
        tmp_path / "out",
        *("--checkpoint", SAMPLE / "adapters" / "easy", "--data", shuffled),
        *("--passes", 1, "--require-nonvacuous", "--also", "drawn"),
    )
    assert done.returncode == 3, done.stderr
    for name in ("certificate", "certificate.drawn"):
        (stratum,) = Certificate.read(tmp_path / "out" / f"{name}.json").strata
        assert stratum.vacuous
