"""Notebooks run as plain scripts, with the assertions in them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
NAMES = ["05_optimal_difficulty_theory.py"]


@pytest.mark.parametrize("name", NAMES)
def test_runs_as_a_script(name, tmp_path):
    done = subprocess.run(
        [sys.executable, str(NOTEBOOKS / name)],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env=os.environ | {"MPLBACKEND": "Agg"},
    )
    assert done.returncode == 0, done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", NAMES)
def test_asks_answers_and_says_what_was_not_shown(name):
    text = (NOTEBOOKS / name).read_text(encoding="utf-8")
    cells = text.split("\n# %%")
    assert "?" in cells[1]
    assert "**Answer" in cells[1]
    assert "not show" in cells[-1]
