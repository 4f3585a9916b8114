"""Weights are read as safetensors and torch read them, and damaged files are refused."""

import hashlib
import json
import os
import struct

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from benchmarks.fuzzing.model_folders import Bomb
from pacbayes.models import folder as folders
from pacbayes.verify import UnreadableError
from pacbayes.verify.inputs.tensors import identity, read_losses, read_rows, read_weights, rounded

KINDS = [torch.float64, torch.float32, torch.float16, torch.bfloat16]


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_values_are_exact(tmp_path, kind):
    values = torch.randn(7, 5, generator=torch.Generator().manual_seed(0)).to(kind)
    values[0, :3] = torch.tensor([0.0, -0.0, 1e-7])
    path = tmp_path / "x.safetensors"
    save_file({"a": torch.ones(3), "b": values}, path, metadata={"format": "pt"})
    found = read_weights(path)
    assert list(found["b"].values()) == values.double().flatten().tolist()
    assert (found["b"].shape, found["b"].size) == ((7, 5), 35)


@pytest.mark.parametrize("name", ["float32", "float16", "bfloat16", "float64"])
def test_rounding_is_that_of_torch(name):
    values = torch.randn(1000, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    values = values.float().double()  # float32, as they are stored
    values[:2] = torch.tensor([1 + 2.0**-8, 1 + 3 * 2.0**-8])  # ties
    wanted = values.to(getattr(torch, name)).double().tolist()
    assert list(rounded(values.tolist(), name)) == wanted


@pytest.mark.parametrize("kind", ["base", "adapter"])
def test_identity_is_that_of_the_package(checkpoints, kind):
    assert identity(checkpoints / kind) == folders.identity(checkpoints / kind)
    path = checkpoints / kind / folders.config_name(checkpoints / kind)
    assert identity(path) == hashlib.sha256(path.read_bytes()).hexdigest()


def entry(**changes):
    return {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]} | changes


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"{",
        b"[]",
        json.dumps({"a": 1}).encode(),
        json.dumps({"a": entry(shape=[3])}).encode(),
        json.dumps({"a": entry(shape=[-2])}).encode(),
        json.dumps({"a": entry(data_offsets=[8, 16])}).encode(),
        json.dumps({"a": entry(data_offsets=[0])}).encode(),
        json.dumps({"a": entry(data_offsets=["0", "8"])}).encode(),
        json.dumps({"a": entry(), "b": entry()}).encode(),
        json.dumps({"a": entry(shape=[1], data_offsets=[4, 8])}).encode(),
        json.dumps({"a": entry(shape=[1], data_offsets=[0, 4])}).encode(),
        b'{"a":1,"a":1}',
        b'{"\xff":1}',
        b"[" * 5000,
    ],
)
def test_damaged_headers_are_refused(tmp_path, header):
    path = tmp_path / "x.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(8))
    with pytest.raises(UnreadableError, match="is no safetensors file"):
        read_weights(path)
    path.write_bytes(struct.pack("<Q", 2**60) + b"{}")
    with pytest.raises(UnreadableError, match="longer than the file"):
        read_weights(path)
    with pytest.raises(UnreadableError, match="cannot be read"):
        read_weights(tmp_path / "y.safetensors")
    with pytest.raises(UnreadableError, match="holds no safetensors weights"):
        read_weights(tmp_path)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1e300])
def test_weights_that_are_no_numbers_are_named(tmp_path, value):
    path = tmp_path / "x.safetensors"
    save_file({"a\nb": torch.tensor([0.0, value], dtype=torch.float64)}, path)
    with pytest.raises(UnreadableError, match=r"tensor 'a\\nb' holds NaN, infinity"):
        read_weights(path)["a\nb"].values()


@pytest.mark.parametrize(
    "index",
    [
        *("", "{", "[]", "{}", '{"weight_map": []}', '{"weight_map": {"a": 1}}', "[" * 5000),
        *('{"weight_map": {"a": "../b/x"}}', '{"weight_map": {"a": "/x"}}'),
        *('{"weight_map": {"a": ".."}}', r'{"weight_map": {"a": "\u0000"}}'),
        '{"weight_map": {"a": "x", "a": "y"}}',
    ],
)
def test_indexes_of_shards(tmp_path, index):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors.index.json").write_text(index)
    with pytest.raises(UnreadableError, match="is no index of shards"):
        identity(tmp_path)


def test_integers_are_no_weights(tmp_path):
    path = tmp_path / "x.safetensors"
    save_file({"a": torch.arange(3)}, path)
    with pytest.raises(UnreadableError, match="numbers of the kind 'I64'"):
        read_weights(path)["a"].values()


def test_rows_are_those_of_numpy(tmp_path):
    values = np.random.default_rng(0).random((3, 4))
    np.save(tmp_path / "x.npy", values)
    assert [list(row) for row in read_rows(tmp_path / "x.npy")] == values.tolist()
    bomb = np.full((3, 4), Bomb(tmp_path / "mark"))
    for other in (values.astype(np.float32), values.T, values[0], values[:0], bomb):
        np.save(tmp_path / "y.npy", other, allow_pickle=True)
        with pytest.raises(UnreadableError, match="is no npy file of losses"):
            read_rows(tmp_path / "y.npy")
    assert not (tmp_path / "mark").exists()


def test_losses_are_numbers_between_0_and_1(tmp_path):
    for value, message in ((1.5, "outside"), (-0.1, "outside"), (np.nan, "holds NaN or infinity")):
        np.save(tmp_path / "x.npy", np.array([[0.0, 1.0], [value, 0.5]]))
        with pytest.raises(UnreadableError, match=message):
            read_losses(tmp_path / "x.npy", 1)
    np.save(tmp_path / "x.npy", np.zeros((2, 2)))
    with pytest.raises(UnreadableError, match="has 2 rows, not 3"):
        read_losses(tmp_path / "x.npy", 2)


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "x")
    with pytest.raises(UnreadableError, match="is a pipe or a device"):
        read_rows(tmp_path / "x")
    with pytest.raises(UnreadableError, match="it is no file"):
        read_weights(tmp_path / "x")
