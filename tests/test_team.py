"""Several processes: the same certificate as one, bit for bit; halving where memory runs out."""

import json
import os
import socket
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from pacbayes.certificate import Certificate
from pacbayes.data.sample import read_sample
from pacbayes.errors import InputError
from pacbayes.models.loading import OpenOptions
from pacbayes.models.opening import open_fine_tuned
from pacbayes.posteriors.noise import NoiseKey, Stream
from pacbayes.risk import Scorer
from pacbayes.settings import Settings
from pacbayes.team import ALONE, Team, join_team

PROGRAM = [sys.executable, "-c", "from pacbayes.cli import bound_main; bound_main()"]


def free_port():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


def run_together(arguments, size):
    port = free_port()
    running = [
        subprocess.Popen(
            [*PROGRAM, *map(str, arguments)],
            env=os.environ
            | {
                "RANK": str(rank),
                "LOCAL_RANK": str(rank),
                "WORLD_SIZE": str(size),
                "MASTER_ADDR": "127.0.0.1",
                "MASTER_PORT": str(port),
                "OMP_NUM_THREADS": "1",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(size)
    ]
    return [(*process.communicate(timeout=300), process.returncode) for process in running]


@pytest.mark.parametrize(
    "extra", [("--tolerance", 0.1), ("--draw-mode", "block", "--also", "drawn")]
)
def test_two_processes_make_the_certificate_of_one(checkpoints, problem_file, tmp_path, extra):
    arguments = [
        *("--checkpoint", checkpoints / "free", "--data", problem_file, "--strata-edges", 2),
        *("--loss", "exact", "--loss", "nll", "--passes", 2, "--batch-size", 8, "--noise-batch", 4),
        *extra,
    ]
    found = {}
    for size in (1, 2):
        out = tmp_path / str(size)
        done = run_together([*arguments, "--out", out], size)
        assert [code for _, _, code in done] == [0] * size, done
        # only the first prints
        assert [bool(text) for text, _, _ in done] == [True, *[False] * (size - 1)]
        found[size] = {
            path.name: Certificate.read(path) for path in sorted(out.glob("certificate*.json"))
        }
    assert found[1].keys() == found[2].keys()
    for name, one in found[1].items():
        two = found[2][name]
        assert two.strata == one.strata, name
        assert two.kl_by_group == one.kl_by_group, name
        assert two.posterior.groups == one.posterior.groups, name


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
    assert join_team() is ALONE
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.delenv("RANK", raising=False)
    with pytest.raises(InputError, match=r"cannot be connected \('RANK'\); start them with"):
        join_team()


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
    sizes = []
    honest = Scorer._forward

    def small_device(self, examples):
        if len(examples) > limit:
            raise torch.OutOfMemoryError("CUDA out of memory")
        sizes.append(len(examples))
        return honest(self, examples)

    monkeypatch.setattr(Scorer, "_forward", small_device)
    limit = 5
    found = scorer.under_noise(units, sigmas, key=key, draw=0)
    assert np.array_equal(found, expected)
    assert max(sizes) <= 5
    assert sum(sizes) == len(units)
    limit = 0
    with pytest.raises(InputError, match="not enough memory for one example of"):
        replace(scorer, batch_size=4).at_centre(units)


def test_spread_over_devices_is_the_same_model(
    adapter, checkpoints, problem_file, run_bound, tmp_path
):
    arguments = ("--checkpoint", checkpoints / "full", "--prior", checkpoints / "base")
    strata = []
    for device in ("cpu", "auto"):
        code, out, err = run_bound(
            *(*arguments, "--data", problem_file, "--passes", 1, "--json"),
            *("--device", device, "--out", tmp_path / device),
        )
        assert code == 0, err
        strata.append(json.loads(out)["strata"])
    assert strata[0] == strata[1]
