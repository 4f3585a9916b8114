"""What the store of draws takes for a draw."""

import numpy as np
import pytest

from pacbayes.draws import DrawStore

LOSSES = np.linspace(0, 1, 6).reshape(1, 6)


def pickled(path):
    np.save(path, np.array([{}], dtype=object), allow_pickle=True)


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
        lambda path: path.write_bytes(path.read_bytes()[:20]),
        lambda path: path.write_bytes(b""),
        pickled,
    ],
)
def test_a_damaged_draw_is_drawn_again(tmp_path, damage):
    store = DrawStore(tmp_path, {"seed": 1})
    store.get(0, 0, LOSSES.copy)
    (path,) = tmp_path.glob("*/stratum0.pass0.npy")
    assert store.get(0, 0, lambda: pytest.fail("is kept")).tolist() == LOSSES.tolist()
    whole = path.read_bytes()
    damage(path)
    assert store.get(0, 0, LOSSES.copy).tolist() == LOSSES.tolist()
    assert path.read_bytes() == whole
