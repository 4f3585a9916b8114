"""Stored losses are read back bit for bit, and what is anything else is made again."""

import io
import os
import pickle

import numpy as np
import pytest

from benchmarks.fuzzing.model_folders import Bomb
from pacbayes.draws import DrawStore

LOSSES = np.random.default_rng(0).random((2, 5))


def get(folder, make=lambda: pytest.fail("is made again"), shape=LOSSES.shape):
    return DrawStore(folder, {"a": 1}).get(0, 0, make, shape=shape)


def as_npy(array):
    content = io.BytesIO()
    np.save(content, array, allow_pickle=True)
    return content.getvalue()


def test_stored_losses_come_back(tmp_path):
    assert get(tmp_path, lambda: LOSSES) is LOSSES
    assert get(tmp_path).tobytes() == LOSSES.tobytes()


def test_anything_else_is_made_again(tmp_path):
    get(tmp_path, lambda: LOSSES)
    (path,) = tmp_path.glob("*/stratum0.pass0.npy")
    good, mark = path.read_bytes(), tmp_path / "mark"
    bomb = np.full((2, 5), None)
    bomb[0, 0] = Bomb(mark)
    arrays = (bomb, LOSSES.astype("f4"), LOSSES.T, LOSSES[:1], np.where(LOSSES > 0.5, np.nan, 0))
    pickled = pickle.dumps(Bomb(mark))
    for content in (*map(as_npy, arrays), good[:-1], good + b"0", b"", b"PK\x03\x04", pickled):
        path.write_bytes(content)
        assert get(tmp_path, lambda: LOSSES) is LOSSES
        assert path.read_bytes() == good
    path.unlink()
    os.mkfifo(path)  # is not waited for
    assert get(tmp_path, lambda: LOSSES) is LOSSES
    assert not mark.exists()
