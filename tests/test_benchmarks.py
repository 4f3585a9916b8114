"""The benchmarks run: what they measure on this machine is no test's business."""

import json
import math
import os
import random
import re
import runpy
import shutil
import subprocess
import sys
from itertools import islice
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[1]
SCRIPTS = ROOT / "benchmarks"
WITHOUT_FLINT = (
    "import runpy, sys; sys.modules['flint'] = None; sys.argv = sys.argv[1:]; "
    "runpy.run_path(sys.argv[0], run_name='__main__')"
)
"""Runs a script as on a machine for measuring, which may have nothing but torch and its kin."""


def run(name, *arguments, bare=False, **environment):
    python = [sys.executable, *(["-c", WITHOUT_FLINT] if bare else [])]
    command = [*python, str(ROOT / "benchmarks" / name), *arguments]
    inherited = {k: v for k, v in os.environ.items() if k != "OUT"}
    variables = inherited | {"PYTHONPATH": str(ROOT)} | environment
    done = subprocess.run(command, env=variables, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def check_size(found, rounds):
    assert found["errors"] == {}
    assert found["rounds"] == rounds
    assert found["peak_tflops"] > 0
    assert 0 < found["linear_parameters"] < found["parameters"]
    assert set(found["ways"]) == {"plain", "plain_lora", "lora", "full", "block"}
    for way in found["ways"].values():
        assert way["tokens_per_second"] > 0
        assert way["share_of_peak"] > 0
        median, least, largest = way["seconds"]
        assert 0 < least <= median <= largest
        assert min(map(min, way["time_ratio"].values())) > 0


def test_throughput(tmp_path):
    arguments = ("--size", "tiny", "--device", "cpu", "--rounds", "1", "--threads", "1")
    assert run("throughput.py", *arguments, bare=True, OUT=str(tmp_path)) == ""
    found = json.loads((tmp_path / "throughput.json").read_text())
    assert found["dtype"] == "float32"
    check_size(found["sizes"]["tiny"], rounds=1)
    assert all(way["memory_mib"] is None for way in found["sizes"]["tiny"]["ways"].values())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="the large models need a CUDA device")
@pytest.mark.parametrize("size", ["125m", "1.3b"])
def test_throughput_on_cuda(size):
    found = json.loads(run("throughput.py", "--size", size, "--rounds", "1", bare=True))["sizes"][
        size
    ]
    check_size(found, rounds=1)
    assert all(way["memory_mib"] > 0 for way in found["ways"].values())


def test_row_products():
    arguments = ("--device", "cpu", "--tokens", "4", "--width", "16", "--normals", "100")
    found = json.loads(run("row_products.py", *arguments, bare=True))
    assert found["normals_per_second"]["100"] > 0
    (product,) = found["products"]
    assert min(product.values()) > 0


def test_score_memory():
    found = json.loads(run("score_memory.py", "--records", "2000"))
    assert found["measures"].keys() == {"field", "steps", "tokens"}
    for measure in found["measures"].values():
        assert measure["records_per_second"] > 0
        assert 0 < measure["peak_mib"] < 500


def test_planning_speed():
    found = json.loads(run("planning_speed.py", "4", "10", "40", "1"))
    assert (found["budgets"], found["difficulties"], found["fits"]) == (4, 10, 40)
    assert found["converged"] == 1
    assert min(found["seconds"], found["ratio_budgets_doubled"]) > 0


def test_figure_of_the_ladder(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPTS))
    for path in SCRIPTS.glob("results/*.ladder.json"):
        shutil.copy(path, tmp_path)
    runpy.run_path(str(SCRIPTS / "ladder.py"))["draw"](tmp_path)
    assert (tmp_path / "ladder.png").stat().st_size > 10_000


def test_tolerance(checkpoints, problem_file, tmp_path):
    out = tmp_path / "found.json"
    arguments = ("--checkpoint", checkpoints / "adapter", "--prior", checkpoints / "initial")
    arguments += ("--data", problem_file, "--flips", "0.3", "--tolerance", "0.3", "--out", out)
    run("tolerance.py", *map(str, arguments))
    (found,) = json.loads(out.read_text()).values()
    assert found["interval"][0] <= found["risk_under_noise"] <= found["interval"][1]
    assert 0 < found["pairs"] <= found["n"] * 30 + 512


def test_usual_sweeps():
    usual_sweeps = runpy.run_path(str(SCRIPTS / "tolerance.py"))["usual_sweeps"]
    # with no error in m sweeps the upper bound at δ/2 = .005 is 1 − .005^(1/m)
    assert usual_sweeps(0.0, 0.005) == math.ceil(math.log(0.005) / math.log(1 - 0.005))
    assert usual_sweeps(0.0, 0.005) < usual_sweeps(0.02, 0.005) < usual_sweeps(0.02, 0.001)


def test_chains(monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPTS))
    from subjects.gpt2 import FINE_TUNED, variant_chains

    for problem in islice(variant_chains(random.Random(0), FINE_TUNED), 200):
        first, *rest = re.findall(r"(?:^|[-+*@])\d", problem.prompt)
        value = int(first)
        for (operator, operand), step in zip(rest, problem.completion.split(";"), strict=True):
            b = int(operand)
            value = {"+": value + b, "-": value - b, "*": value * b, "@": b - value}[operator] % 7
            written, result = step.split("=")
            assert int(result) == value == eval(written) % 7
        assert "@" in problem.prompt
        assert "@" not in problem.completion
        assert len(rest) == problem.difficulty
