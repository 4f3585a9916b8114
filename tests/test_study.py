"""The studies' command on a tiny size: everything is made, and what was stopped goes on."""

import json
import shutil
import sys
from dataclasses import replace

import pytest

from benchmarks.study import __main__ as study
from benchmarks.study import igsm, language
from benchmarks.study.mixtures import is_wanted, mixtures_of
from benchmarks.study.size import BASES, Size
from pacbayes.sample.pretrain import Shape
from pacbayes.sweep.recipe import Recipe

STEPS = 2
TINY = Size(
    windows=((2, 2), (3, 3), (4, 4), (5, 5)),
    budgets=(6,),
    seeds=(0,),
    n_pool=12,
    n_tests=5,
    n_target=8,
    recipe=Recipe(objective="bound", steps=STEPS, lora_targets=("q_proj",), lora_rank=2),
    pretraining={
        name: igsm.Pretraining(most_operations=2, steps=1, shape=Shape(width=16, layers=1, heads=2))
        for name in ("weak", "strong")
    },
)


@pytest.fixture(scope="module")
def command():
    """Runs the study of the tiny size; returns the exit code's message, or None."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(igsm, "SIZES", {"cpu": TINY})

        def run(folder, *more):
            given = ["study", "igsm", "--out", folder, "--results", folder / "results", *more]
            patch.setattr(sys, "argv", [*map(str, given)])
            try:
                study.main()
            except SystemExit as stopped:
                return stopped.code
            return None

        yield run


def runs_of(folder):
    lines = (folder / "results" / "igsm.cpu.weak.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def finished(command, tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    assert command(folder, "--base", "weak", "--minutes", "0").startswith("8 cells are left")
    assert json.loads((folder / "results" / "igsm.cpu.json").read_text())["bases"] == {}
    assert command(folder, "--base", "weak") is None
    return folder


def test_every_cell_is_there_once(finished):
    found = sorted(tuple(run["train_weights"].items()) for run in runs_of(finished))
    assert len(found) == len(set(found)) == 8
    assert sum(len(weights) == 1 for weights in found) == 4
    note = json.loads((finished / "results" / "igsm.cpu.json").read_text())
    assert set(note["bases"]) == {"weak"}
    assert set(note["bases"]["weak"]["tests"]) >= {"2..2", "3..3", "4..4", "5..5"}
    assert note["bases"]["weak"]["parameters"] > 0


def test_stopped_in_a_cell_it_gives_what_it_gives_uninterrupted(command, finished, tmp_path):
    folder = tmp_path / "stopped"
    shutil.copytree(finished, folder)
    cells = sorted(path.parent for path in (folder / "weak").glob("*/run.json"))
    shutil.rmtree(cells[0])
    (cells[1] / "run.json").unlink()  # killed before its last file
    (cells[1] / "certificate.json").write_text("{")
    assert command(folder, "--base", "weak") is None
    assert runs_of(folder) == runs_of(finished)


def test_another_grid_in_its_folder_is_refused(command, finished, monkeypatch):
    other = replace(TINY, recipe=replace(TINY.recipe, steps=STEPS + 1))
    monkeypatch.setattr(igsm, "SIZES", {"cpu": other})
    with pytest.raises(Exception, match="another `recipe`"):
        command(finished, "--base", "weak")


def test_data_are_apart_and_where_they_belong(finished):
    problems = {
        name: [json.loads(x) for x in (finished / "data" / f"{name}.jsonl").open()]
        for name in ("pool", "tests", "target")
    }
    prompts = [p["prompt"] for of_file in problems.values() for p in of_file]
    assert len(prompts) == len(set(prompts)) == 4 * (12 + 5 + 2)
    assert all("@" in prompt for prompt in prompts)
    for of_file in problems.values():
        counts = [sum(p["difficulty"] == k for p in of_file) for k in (2, 3, 4, 5)]
        assert len(set(counts)) == 1


@pytest.mark.parametrize("size", [*igsm.SIZES.values(), *language.SIZES.values()])
def test_sizes_are_consistent(size):
    assert set(size.pretraining) == set(BASES)
    assert len(size.windows) >= 4
    assert len(size.budgets) >= 5
    assert len(size.seeds) >= 3
    assert size.n_target % len(size.windows) == 0
    assert max(size.budgets) <= size.n_pool  # a stratum alone needs the whole budget


def test_mixtures_of_practice_have_their_own_budgets():
    names = mixtures_of("abcd")
    sizes = {8: "small", 1999: "small", 2000: "medium", 10_000: "medium", 10_001: "large"}
    for n, own in sizes.items():
        wanted = [name for name in names if is_wanted(name, n)]
        assert wanted == ["all", "without_hardest", "without_easiest", f"practice_{own}"]
    assert all(sum(weights.values()) == pytest.approx(1) for weights in names.values())
