"""The benchmarks run: what they measure on this machine is no test's business."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[1]
RUN = "import runpy, sys; sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')"
WITHOUT_FLINT = "import sys; sys.modules['flint'] = None; "
"""As on a machine for measuring, which may have nothing but torch and its kin."""


def run(name, *arguments, first=WITHOUT_FLINT, **environment):
    command = [sys.executable, "-c", first + RUN, str(ROOT / "benchmarks" / name), *arguments]
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
    assert run("throughput.py", *arguments, OUT=str(tmp_path)) == ""
    found = json.loads((tmp_path / "throughput.json").read_text())
    assert found["dtype"] == "float32"
    check_size(found["sizes"]["tiny"], rounds=1)
    assert all(way["memory_mib"] is None for way in found["sizes"]["tiny"]["ways"].values())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="the large models need a CUDA device")
@pytest.mark.parametrize("size", ["125m", "1.3b"])
def test_throughput_on_cuda(size):
    found = json.loads(run("throughput.py", "--size", size, "--rounds", "1"))["sizes"][size]
    check_size(found, rounds=1)
    assert all(way["memory_mib"] > 0 for way in found["ways"].values())


def test_row_products():
    arguments = ("--device", "cpu", "--tokens", "4", "--width", "16", "--normals", "100")
    found = json.loads(run("row_products.py", *arguments))
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
    found = json.loads(run("planning_speed.py", "4", "10", "40", "1", first=""))
    assert (found["budgets"], found["difficulties"], found["fits"]) == (4, 10, 40)
    assert found["converged"] == 1
    assert min(found["seconds"], found["ratio_budgets_doubled"]) > 0
