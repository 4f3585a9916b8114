"""Several processes: the certificate of one, bit for bit, whichever dies; halved batches."""

import multiprocessing
import os
import random
import socket
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from pacbayes.certificate import Certificate
from pacbayes.cli import bound_main
from pacbayes.data.sample import read_sample
from pacbayes.errors import InputError
from pacbayes.models.loading import OpenOptions
from pacbayes.models.opening import open_fine_tuned
from pacbayes.posteriors.noise import NoiseKey, Stream
from pacbayes.risk import Scorer
from pacbayes.settings import Settings
from pacbayes.team import ALONE, Team, joined_team

SCRIPT = """#!{python}
from pacbayes.cli import bound_main
bound_main()
"""


def free_port():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return str(listening.getsockname()[1])


def start_team(arguments, size, folder):
    """Processes that a launcher's variables connect; forked, as importing torch takes seconds."""
    fork, port = multiprocessing.get_context("fork"), free_port()
    running = []
    for rank in range(size):
        variables = {
            "RANK": str(rank),
            "LOCAL_RANK": str(rank),
            "WORLD_SIZE": str(size),
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": port,
            "TOKENIZERS_PARALLELISM": "false",
        }
        process = fork.Process(target=member, args=(arguments, variables, folder / str(rank)))
        process.start()
        running.append(process)
    return running


def member(arguments, variables, said):
    os.environ |= variables
    torch.set_num_threads(1)  # its threads are not forked
    sys.argv = ["pacbayes-bound", *map(str, arguments)]
    code = 1
    with said.with_suffix(".out").open("w") as out, said.with_suffix(".err").open("w") as err:
        sys.stdout, sys.stderr = out, err
        try:
            bound_main()
        except SystemExit as stop:
            code = stop.code or 0
    os._exit(code)


def ended(running, folder):
    """Stdout, stderr and exit code of each."""
    found = []
    for rank, process in enumerate(running):
        process.join(300)
        said = [(folder / f"{rank}.{stream}").read_text() for stream in ("out", "err")]
        found.append((*said, process.exitcode))
    return found


def run_nodes(arguments, size, folder):
    """As many machines as there are launchers, with two processes each."""
    script = folder / "pacbayes-bound"  # as pip writes it
    script.write_text(SCRIPT.format(python=sys.executable))
    script.chmod(0o755)
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", 2]
    command += ["--nnodes", size, "--rdzv-backend", "c10d", "--rdzv-id", "a"]
    command += ["--rdzv-endpoint", f"127.0.0.1:{free_port()}", "--local-addr", "127.0.0.1"]
    running = [
        subprocess.Popen(
            list(map(str, [*command, script, *arguments])),
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(size)
    ]
    return [(*process.communicate(timeout=300), process.returncode) for process in running]


def certificates(folder):
    return {path.name: Certificate.read(path) for path in sorted(folder.glob("certificate*.json"))}


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for name, one in expected.items():
        assert found[name].strata == one.strata, name
        assert found[name].kl_by_group == one.kl_by_group, name
        assert found[name].posterior.groups == one.posterior.groups, name


@pytest.mark.parametrize(
    ("launch", "extra"),
    [
        ("three processes", ("--tolerance", 0.1)),
        ("two nodes", ("--draw-mode", "block", "--also", "drawn", "--family", "isotropic")),
    ],
)
def test_many_make_the_certificate_of_one(
    checkpoints, problem_file, tmp_path, run_bound, launch, extra
):
    arguments = [
        *("--checkpoint", checkpoints / "free", "--data", problem_file, "--strata-edges", 2),
        *("--loss", "exact", "--loss", "nll", "--passes", 2, "--batch-size", 8, "--noise-batch", 4),
        *extra,
    ]
    together = [*arguments, "--out", tmp_path / "many"]
    code, _, err = run_bound(*arguments, "--out", tmp_path / "one")
    assert code == 0, err
    if launch == "three processes":
        done = ended(start_team(together, 3, tmp_path), tmp_path)
    else:
        done = run_nodes(together, 2, tmp_path)
    assert {code for _, _, code in done} == {0}, done
    assert sum(bool(text) for text, _, _ in done) == 1  # only the first prints
    assert_same(certificates(tmp_path / "many"), certificates(tmp_path / "one"))


def test_a_run_that_loses_processes_goes_on_to_the_same_certificate(
    checkpoints, problem_file, tmp_path, run_bound
):
    arguments = [
        *("--checkpoint", checkpoints / "adapter", "--prior", checkpoints / "initial"),
        *("--data", problem_file, "--family", "isotropic", "--no-gauge", "--batch-size", 8),
        *("--passes", 80),
    ]
    code, _, err = run_bound(*arguments, "--out", tmp_path / "one")
    assert code == 0, err
    out = tmp_path / "many"
    chance = random.Random()
    kept = {}
    for victim in (1, 0):
        running = start_team([*arguments, "--out", out], 2, tmp_path)
        more = len(kept) + chance.randint(1, 10)
        while len(passes(out)) < more:
            assert all(process.is_alive() for process in running), ended(running, tmp_path)
            time.sleep(0.01)
        running[victim].kill()
        started = time.monotonic()
        text, err, code = ended(running, tmp_path)[1 - victim]
        assert (text, code) == ("", 5), err
        assert f"error: process {victim} of 2 on " in err.splitlines()[-1]
        assert "is gone without a word" in err
        assert time.monotonic() - started < 60  # 2 s on an idle machine
        assert not list(out.glob("certificate*"))
        assert {name: time for name, time in passes(out).items() if name in kept} == kept
        kept = passes(out)
        assert len(kept) < 80
    code, _, err = run_bound(*arguments, "--out", out)
    assert code == 0, err
    assert kept.items() <= passes(out).items()  # none was made again
    assert_same(certificates(out), certificates(tmp_path / "one"))


def passes(out):
    """When each finished pass was written."""
    return {path.name: path.stat().st_mtime_ns for path in out.glob("draws/*/*.pass*.npy")}


def test_processes_must_read_the_same_files():
    class Second(Team):
        def led(self, make):
            return {"the hash of the data": "aa", "the version": 1}

    second = Second(rank=1, size=2)
    second.agree({"the version": 1, "the hash of the data": "aa"})
    with pytest.raises(InputError, match="of the data is 'bb' here, but 'aa' in the first"):
        second.agree({"the version": 1, "the hash of the data": "bb"})


def test_a_draw_store_is_read_and_written_by_the_first_alone(tmp_path):
    class Second(Team):
        def led(self, make):
            return np.full(3, 7.0)  # what the first found

    from pacbayes.draws import DrawStore

    store = DrawStore(tmp_path, {"a": 1}, Second(rank=1, size=2))
    assert store.get(0, 0, lambda: pytest.fail("is made again"), shape=(3,)).tolist() == [7.0] * 3
    assert not list(tmp_path.iterdir())


def test_pieces_are_shared_completely():
    for size in (1, 2, 3, 7):
        shares = [list(Team(rank=rank, size=size).share(range(10))) for rank in range(size)]
        assert sorted(piece for share in shares for piece in share) == list(range(10))


def test_alone_without_a_launcher(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with joined_team(5) as team:
        assert team is ALONE
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.delenv("RANK", raising=False)
    with (
        pytest.raises(InputError, match=r"cannot be connected \('RANK'\); start them with"),
        joined_team(5),
    ):
        pass


@pytest.fixture(scope="module")
def adapter(checkpoints):
    return open_fine_tuned(
        OpenOptions(checkpoint=checkpoints / "adapter", prior=checkpoints / "initial")
    )


def test_a_batch_that_does_not_fit_is_halved(adapter, problem_file, monkeypatch):
    (part,) = read_sample([problem_file]).strata
    units = part.encode(adapter.tokenizer, max_length=adapter.context)
    scorer = Settings(losses=("exact", "token"), batch_size=32).scorer(adapter)
    key = NoiseKey(seed=0, stream=Stream.PILOT, stratum=0)
    sigmas = dict.fromkeys(adapter.sizes, 0.05)
    expected = scorer.under_noise(units, sigmas, key=key, draw=0)
    sizes, trouble = [], []
    honest = Scorer._forward

    def small_device(self, examples):
        if len(examples) > limit:
            raise trouble[0]
        sizes.append(len(examples))
        return honest(self, examples)

    monkeypatch.setattr(Scorer, "_forward", small_device)
    limit = 5
    for shortage in (
        torch.OutOfMemoryError("CUDA out of memory"),
        MemoryError(),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
    ):
        trouble[:] = [shortage]
        sizes.clear()
        found = scorer.under_noise(units, sigmas, key=key, draw=0)
        assert np.array_equal(found, expected)
        assert max(sizes) <= 5
        assert sum(sizes) == len(units)
    limit = 0
    with pytest.raises(InputError, match="not enough memory for one example of"):
        replace(scorer, batch_size=4).at_centre(units)
    trouble[:] = [RuntimeError("shapes do not match")]
    with pytest.raises(RuntimeError, match="shapes do not match"):
        scorer.at_centre(units)
