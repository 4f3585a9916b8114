"""Stored losses are read back bit for bit, and what is anything else is refused."""

import io
import pickle

import numpy as np
import pytest

from benchmarks.fuzzing.model_folders import Bomb
from pacbayes.draws import DrawStore
from pacbayes.errors import InputError

LOSSES = np.random.default_rng(0).random((2, 5))


def stored(folder, shape=LOSSES.shape):
    return DrawStore(folder, {"a": 1}).get(0, 0, lambda: LOSSES, shape=shape)


def as_npy(array):
    content = io.BytesIO()
    np.save(content, array, allow_pickle=True)
    return content.getvalue()


def test_stored_losses_come_back(tmp_path):
    assert stored(tmp_path).tobytes() == LOSSES.tobytes()  # made
    assert stored(tmp_path).tobytes() == LOSSES.tobytes()  # read
    with pytest.raises(InputError, match=r"no losses of the shape \(2, 6\)"):
        stored(tmp_path, (2, 6))


def test_anything_else_is_refused(tmp_path):
    stored(tmp_path)
    (path,) = tmp_path.glob("*/stratum0.pass0.npy")
    good, mark = path.read_bytes(), tmp_path / "mark"
    bomb = np.full((2, 5), None)
    bomb[0, 0] = Bomb(mark)
    arrays = (bomb, LOSSES.astype("f4"), LOSSES.T, LOSSES[:1], np.where(LOSSES > 0.5, np.nan, 0))
    pickled = pickle.dumps(Bomb(mark))
    for content in (*map(as_npy, arrays), good[:-1], good + b"0", b"", b"PK\x03\x04", pickled):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"pass0\.npy: holds no losses .* drawn again"):
            stored(tmp_path)
    assert not mark.exists()
