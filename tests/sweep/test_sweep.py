"""`pacbayes sweep` on the shipped sample: two cells too small to learn anything."""

import hashlib
import os
import shutil
import signal

import pytest

from pacbayes.certificate import Certificate
from pacbayes.cli import main
from pacbayes.data.records import read_jsonl
from pacbayes.files import claimed
from pacbayes.models.loading import OpenOptions
from pacbayes.models.opening import open_fine_tuned
from pacbayes.planning.pilots import pilots_of
from pacbayes.planning.target import MEASURED
from pacbayes.runs import read_runs
from pacbayes.sweep.cells import Cell

CELLS = ("3..4-16-0", "5..10-16-0")


def test_a_plan_reads_the_sweep(swept, options):
    runs = read_runs(swept).runs
    assert [run.train_weights for run in runs] == [{"3..4": 1.0}, {"5..10": 1.0}]
    for run in runs:
        assert (run.budget, run.seed, run.loss, run.delta) == (16, 0, "exact", 0.05)
        assert {name: test.n for name, test in run.tests.items()} == {"3..4": 6, "5..10": 12}
        assert run.target.n == run.base_target.n == 6
        assert run.base_strength == 1 - run.base_target.mean
        assert run.kl > 0
    assert pilots_of(runs, MEASURED).n_base == 6


def test_a_cell_is_a_checkpoint_certified_on_what_it_was_trained_on(swept, options):
    for cell, (low, high) in zip(CELLS, ((3, 4), (5, 10)), strict=True):
        records = read_jsonl(swept / cell / "train.jsonl")
        assert all(low <= record.difficulty <= high for record in records)
        pool = {record.prompt for record in read_jsonl(options["pool"])}
        assert {record.prompt for record in records} <= pool
        certificate = Certificate.read(swept / cell / "certificate.json")
        digest = hashlib.sha256((swept / cell / "train.jsonl").read_bytes()).hexdigest()
        assert [file.sha256 for file in certificate.data] == [digest]
        assert any("at random, without replacement" in text for text in certificate.assumptions)
        model = open_fine_tuned(OpenOptions(checkpoint=swept / cell))
        assert model.prior.path == str(swept / cell / "initial_adapter")
        assert sum(model.distances_squared.values()) > 0
        # the noise that was trained is the one that was certified
        noted = {group.name: group.sigma_posterior for group in certificate.posterior.groups}
        assert noted == pytest.approx(dict(model.suggested_noise), rel=1e-6)


@pytest.mark.parametrize("cell", CELLS)
def test_a_cell_is_verified_with_its_inputs(run_program, swept, options, cell):
    folder = swept / cell
    given = ["--checkpoint", folder, "--prior", folder / "initial_adapter"]
    given += ["--base", options["base"], "--data", folder / "train.jsonl"]
    code, out, err = run_program(main, "pacbayes", "verify", folder / "certificate.json", *given)
    assert code == 0, out + err


def test_a_killed_sweep_goes_on_to_the_same_end(
    run, swept, options, contents, tmp_path, monkeypatch
):
    import pacbayes.sweep.cell as module

    certify, calls = module.certify, []

    def killed(*arguments, **more):
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return certify(*arguments, **more)

    monkeypatch.setattr(module, "certify", killed)
    out = {**options, "out": tmp_path / "out"}
    code, _, error = run(out)
    assert (code, len(calls)) == (130, 2)
    assert "interrupted; run the same command again" in error
    assert (tmp_path / "out" / CELLS[0] / "run.json").is_file()
    assert not (tmp_path / "out" / CELLS[1] / "run.json").exists()
    code, shown, told = run(out)
    assert (code, len(calls)) == (0, 3)
    assert [line for line in told.splitlines() if "finished before" in line] == [
        line for line in told.splitlines() if line.startswith(f"1/2 {CELLS[0]}: ")
    ]
    assert "2 cells finished, 0 failed" in shown
    assert contents(tmp_path / "out") == contents(swept)


def test_a_failed_cell_is_noted_and_the_others_are_made(run, options, tmp_path, monkeypatch, read):
    import pacbayes.sweep.run as module

    made = module.run_cell

    def fails(study, cell, folder, track):
        if cell.stratum == "3..4":
            (folder / "half").mkdir(parents=True)
            raise RuntimeError("out of\nmemory")
        return made(study, cell, folder, track)

    monkeypatch.setattr(module, "run_cell", fails)
    out = tmp_path / "out"
    code, shown, _ = run({**options, "out": out})
    assert code == 1
    assert "1 cells finished, 1 failed" in shown
    assert f"failed: {CELLS[0]}, RuntimeError: out of memory" in shown
    note = read(out / CELLS[0] / "failed.json")
    assert note["cell"] == {"stratum": "3..4", "budget": 16, "seed": 0}
    assert note["error"] == "RuntimeError: out of\nmemory"
    assert (out / CELLS[1] / "run.json").is_file()
    # a failed cell is tried again; what was left of it is gone
    seen = []

    def looks(study, cell, folder, track):
        seen.append((cell.stratum, folder.exists()))
        made(study, cell, folder, track)

    monkeypatch.setattr(module, "run_cell", looks)
    assert run({**options, "out": out})[0] == 0
    assert seen == [("3..4", False)]
    assert not (out / CELLS[0] / "failed.json").exists()


def test_a_worker_makes_the_same_cell(run, swept, options, contents, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(swept, out)
    shutil.rmtree(out / CELLS[1])
    code, _, told = run({**options, "out": out, "workers": 2})
    assert code == 0
    assert [line[:4] for line in told.splitlines()] == ["1/2 ", "2/2 "]
    assert contents(out) == contents(swept)


def dies(study, cell, folder):
    """As a process that the system kills for its memory."""
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_worker_is_a_failed_cell(tmp_path, monkeypatch, read):
    import pacbayes.sweep.run as module

    monkeypatch.setattr(module, "attempt", dies)
    cell = Cell(stratum="a", budget=1, seed=0)
    found = module.sweep(None, [cell], tmp_path, workers=2)
    assert found.failed == {"a-1-0": "its process ended with exit code -9 (killed for its memory?)"}
    assert read(tmp_path / "a-1-0" / "failed.json")["traceback"] == []


def test_another_sweep_does_not_mix_with_this_one(run, swept, options):
    code, _, error = run({**options, "out": swept, "learning-rate": 0.1})
    assert code == 2
    assert "is of a sweep with another `recipe`" in error
    code, _, error = run({**options, "out": swept}, "--no-resume")
    assert (code, "holds a sweep already" in error) == (2, True)


def test_a_dry_run_prices_and_writes_nothing(run, swept, options, tmp_path):
    code, shown, _ = run({**options, "out": tmp_path / "out", "seeds": "0,1"}, "--dry-run")
    assert code == 0
    assert "4 to make, 0 finished" in shown
    assert "8 steps, 128 examples" in shown
    # for each cell 2 passes and 1 to choose the noise, 18 tests, 6 of the target; once the base's
    assert f"{4 * (3 * 16 + 18 + 6) + 6} examples, tests included" in shown
    assert not (tmp_path / "out").exists()
    code, shown, _ = run({**options, "out": swept, "seeds": "0,1"}, "--dry-run")
    assert "2 to make, 2 finished" in shown


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"windows": "3-4"}, "--windows must be LOW:HIGH"),
        ({"windows": "3:4,11:12"}, "stratum '11..12' has no units to test on"),
        ({"strata-edges": "4"}, "exactly one of --windows, --strata-edges, --strata-levels"),
        ({"budgets": "16,500"}, "stratum '3..4' has 40 units to train on, fewer than the budget"),
        ({"budgets": "many"}, "--budgets must be whole numbers"),
        ({"base": "nowhere"}, "nowhere"),
        ({"pool": "nowhere.jsonl"}, "nowhere.jsonl: no such file."),
        ({"steps": 0}, "--steps is outside its range, got 0"),
        ({"workers": 0}, "--workers must be at least 1, got 0"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(run, options, tmp_path, changes, message):
    code, shown, error = run({**options, **changes, "out": tmp_path / "out"})
    assert (code, shown) == (2, "")
    assert message in error
    assert len(error.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_a_record_without_difficulty_is_named(run, options, tmp_path):
    pool = tmp_path / "pool.jsonl"
    pool.write_text('{"prompt": "p", "completion": "c"}\n')
    code, _, error = run({**options, "pool": pool, "out": tmp_path / "out"})
    assert code == 2
    assert "pool.jsonl:1: record without `difficulty`; score the pool" in error


def test_a_config_file_gives_options(run, options, tmp_path):
    config = tmp_path / "sweep.toml"
    lines = [f'{key} = "{value}"' for key, value in options.items() if key != "steps"]
    config.write_text("\n".join([*lines, "steps = 0"]))
    code, _, error = run({"config": config, "out": tmp_path / "out"})
    assert (code, "--steps is outside its range, got 0" in error) == (2, True)


def test_a_folder_that_another_sweep_writes_to_is_refused(run, options, tmp_path):
    with claimed(tmp_path / "out"):
        code, _, err = run(options, "--out", tmp_path / "out")
        assert [path.name for path in (tmp_path / "out").iterdir()] == [".lock"]
    assert code == 2
    assert "being written to by another run" in err
    assert run(options, "--out", tmp_path / "out", "--only", "3..4")[0] == 0
