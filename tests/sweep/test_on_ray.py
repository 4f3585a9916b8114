"""Cells on a Ray of two workers: the same as in one process, whatever happens to a worker."""

import json
import os
import shutil
import signal
import sys
import time
from functools import partial
from types import SimpleNamespace

import pytest

from pacbayes.errors import InputError
from pacbayes.sweep import on_ray
from pacbayes.sweep.cells import Cell


@pytest.fixture(scope="module")
def cluster():
    """A Ray of this machine with two CPUs and, as it is told, a GPU."""
    ray = pytest.importorskip("ray", reason="the extra `sweep` is not installed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_worker_niceness", "0")
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        for another in (True, False):
            try:
                ray.init(
                    address="local",
                    num_cpus=2,
                    num_gpus=1,
                    object_store_memory=80 * 2**20,
                    include_dashboard=False,
                    log_to_driver=False,
                )
                break
            except Exception as error:  # its parts have half a minute, too little if all is busy
                if not another:
                    pytest.skip(f"Ray did not start: {error}")
        yield ray
        ray.shutdown()


def cell_of(stratum):
    return Cell(stratum=stratum, budget=1, seed=0)


def dies_once(study, cell, folder):
    """The easy cell's worker is killed the first time, between training and certifying."""
    import pacbayes.sweep.cell as module
    from pacbayes.sweep.run import attempt

    met = folder.with_name("died")
    if cell.stratum != "3..4" or met.exists():
        attempt(study, cell, folder)
        return

    def dies(*_, **__):
        met.touch()
        os.kill(os.getpid(), signal.SIGKILL)

    module.certify = dies
    attempt(study, cell, folder)


def test_the_same_numbers_as_in_one_process(
    cluster, run, swept, options, contents, tmp_path, monkeypatch
):
    import pacbayes.sweep.run as module

    monkeypatch.setattr(module, "attempt", dies_once)
    out = tmp_path / "out"
    code, shown, told = run({**options, "out": out, "ray": "local"})
    assert (code, "2 cells finished, 0 failed" in shown) == (0, True)
    assert sorted(line[:4] for line in told.splitlines()) == ["1/2 ", "2/2 "]
    assert (out / "died").is_file()
    assert contents(out) == contents(swept)


def does_what_it_is_called(finished, cell, folder):
    """Cells `fails`, `dies` and others, which copy a finished run and note what they have."""
    import ray

    folder.mkdir(parents=True, exist_ok=True)
    with folder.with_name("tries").open("a") as tries:
        tries.write(f"{cell.stratum}\n")
    if cell.stratum == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    if cell.stratum == "fails":
        raise RuntimeError("of its\nown making")
    shutil.copy(finished, folder / "run.json")
    has = ray.get_runtime_context().get_assigned_resources()
    (folder / "has.json").write_text(json.dumps(has))


def test_a_lost_or_failed_cell_is_noted_and_the_others_are_made(
    cluster, swept, tmp_path, monkeypatch, read
):
    import pacbayes.sweep.run as module

    monkeypatch.setattr(module, "attempt", does_what_it_is_called)
    engine = partial(on_ray.attempt_all, gpus_per_cell=0.5)
    cells = [cell_of(name) for name in ("dies", "fails", "a", "b")]
    finished = swept / "3..4-16-0" / "run.json"
    found = module.sweep(finished, cells, tmp_path, workers=4, engine=engine)
    assert set(found.runs) == {"a-1-0", "b-1-0"}
    lost = f"Ray lost its worker, {on_ray.RETRIES} retries included: WorkerCrashedError"
    assert found.failed == {
        "dies-1-0": lost,
        "fails-1-0": "its task failed: RuntimeError: of its",
    }
    assert read(tmp_path / "dies-1-0" / "failed.json")["error"] == lost
    tries = (tmp_path / "tries").read_text().split()
    assert sorted(tries) == sorted(["dies"] * (1 + on_ray.RETRIES) + ["fails", "a", "b"])
    assert read(tmp_path / "a-1-0" / "has.json") == {"CPU": 1.0, "GPU": 0.5}


def sleeps(study, cell, folder):
    """The cell `slow` says who it is and sleeps; another one waits for that."""
    note = folder.with_name("pid")
    if cell.stratum == "slow":
        note.with_name("part").write_text(str(os.getpid()))
        note.with_name("part").rename(note)
        time.sleep(600)
    while not note.exists():
        time.sleep(0.05)


def test_an_interruption_stops_the_tasks(cluster, tmp_path, monkeypatch):
    monkeypatch.setattr(on_ray, "_PATIENCE", 0.0)

    def interrupted(cell, fate):
        assert (cell.stratum, "not on a file system" in fate) == ("quick", True)
        raise KeyboardInterrupt

    cells = [cell_of("slow"), cell_of("quick"), cell_of("never")]
    with pytest.raises(KeyboardInterrupt):
        on_ray.attempt_all(sleeps, None, cells, tmp_path, 2, done=interrupted)
    slow = int((tmp_path / "pid").read_text())
    until = time.monotonic() + 60
    while os.path.exists(f"/proc/{slow}"):
        assert time.monotonic() < until
        time.sleep(0.05)


def test_without_ray_the_extra_is_named(run, options, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    code, shown, error = run({**options, "out": tmp_path / "out", "ray": "auto"})
    assert (code, shown) == (2, "")
    assert "--ray needs Ray, which is not installed: pip install 'pacbayes[sweep]'." in error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("share", [-0.5, 1.5, float("nan")])
def test_a_share_of_a_gpu_is_one(share):
    connection = on_ray.connected("local", gpus_per_cell=share)
    with pytest.raises(InputError, match=r"--gpus-per-cell must be a share of a GPU in \[0, 1\]"):
        connection.__enter__()


def test_gpus_are_those_of_a_cluster(run, options, tmp_path):
    code, _, error = run({**options, "out": tmp_path / "out", "gpus-per-cell": 0.5})
    assert (code, "--gpus-per-cell is what a cell takes of a Ray cluster" in error) == (2, True)


@pytest.fixture
def pretended(monkeypatch):
    """A Ray that is not there, without GPUs; keeps a list of what it was asked for."""
    asked = []
    ray = SimpleNamespace(
        is_initialized=lambda: False,
        init=lambda **given: asked.append(given["address"]),
        cluster_resources=dict,
        shutdown=lambda: asked.append("shutdown"),
    )
    monkeypatch.setitem(sys.modules, "ray", ray)
    return ray, asked


def test_what_was_started_is_shut_down(pretended):
    _, asked = pretended
    with on_ray.connected("local", gpus_per_cell=0):
        assert asked == ["local"]
    assert asked == ["local", "shutdown"]


def test_a_machine_without_gpus_is_told_so_at_once(pretended):
    _, asked = pretended
    connection = on_ray.connected("local", gpus_per_cell=0.5)
    with pytest.raises(InputError, match=r"--ray local: this machine has no 0\.5 GPUs for a cell"):
        connection.__enter__()
    assert asked[-1] == "shutdown"


def test_an_address_where_nothing_is_is_one_line(pretended, run, options, tmp_path):
    ray, _ = pretended

    def init(**_):
        raise ConnectionError("Could not find any running Ray instance.\nMore of that.")

    ray.init = init
    code, shown, error = run({**options, "out": tmp_path / "out", "ray": "auto"})
    assert (code, shown) == (2, "")
    assert error.endswith("--ray 'auto': Could not find any running Ray instance.\n")
    assert not (tmp_path / "out").exists()
