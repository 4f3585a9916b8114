"""Attacks on saved posteriors and draws, and on how `verify` reads weights and losses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from benchmarks.fuzzing import model_folders as made
from benchmarks.fuzzing.binary_mutation import spoil_npy, spoil_safetensors
from benchmarks.fuzzing.target import Target
from pacbayes.draws import DrawStore
from pacbayes.models.posterior_file import read_posterior
from pacbayes.posteriors.diagonal import Diagonal
from pacbayes.posteriors.isotropic import Isotropic
from pacbayes.posteriors.kronecker import Kronecker
from pacbayes.posteriors.low_rank import LowRank
from pacbayes.posteriors.per_group import PerGroup
from pacbayes.posteriors.saved import save
from pacbayes.verify.inputs.tensors import read_losses, read_weights, rounded


def _posteriors(place: Path) -> list[bytes]:
    means = {"a": torch.ones(2, 3), "b": torch.ones(2)}
    one = torch.tensor(0.1)
    groups = {"matrices": ("a",), "vectors": ("b",)}
    families = (
        Isotropic(means=means, scale=one),
        PerGroup(means=means, groups=groups, scales={"matrices": one, "vectors": one}),
        Diagonal(means=means, scales={k: 0.1 * v for k, v in means.items()}),
        LowRank(
            means=means,
            groups=groups,
            scales={"a": one, "b": one},
            factors={name: torch.zeros(1, *mean.shape) for name, mean in means.items()},
        ),
        Kronecker(
            means={"a": means["a"]},
            rows={"a": torch.eye(2)},
            columns={"a": torch.eye(3)},
            scales={},
        ),
    )
    contents = []
    for family in families:
        save(family, place / "q.safetensors")
        contents.append((place / "q.safetensors").read_bytes())
    return contents


def _read_posterior(place: Path, content: bytes) -> None:
    (place / "q.safetensors").write_bytes(content)
    read_posterior(place / "q.safetensors")


_LOSSES = np.array([[0.0, 1.0, 0.25], [0.5, 0.5, 0.125]])


def _arrays(place: Path) -> list[bytes]:
    bomb = np.array([made.Bomb(place / "x"), None], dtype=object)
    others = (_LOSSES.astype("f4"), _LOSSES.T, _LOSSES[0], bomb, 1j * _LOSSES, _LOSSES[:, :0])
    return [made.array(_LOSSES), *map(made.array, others), b"PK\x03\x04", b""]


def _read_store(place: Path, content: bytes) -> None:
    store = _STORES.get(place) or _STORES.setdefault(place, DrawStore(place, {}))
    (next(place.glob("*/key.json")).parent / "stratum0.pass0.npy").write_bytes(content)
    store.get(0, 0, lambda: _LOSSES, shape=_LOSSES.shape)


_STORES: dict[Path, DrawStore] = {}


def _verify_weights(place: Path, content: bytes) -> None:
    (place / "w.safetensors").write_bytes(content)
    for tensor in read_weights(place / "w.safetensors").values():
        rounded(tensor.values(), "float16")


def _verify_rows(place: Path, content: bytes) -> None:
    (place / "x.npy").write_bytes(content)
    read_losses(place / "x.npy", 1)


STORED_TARGETS = (
    Target(name="posterior", seeds=_posteriors, spoil=spoil_safetensors, read=_read_posterior),
    Target(name="stored-draws", seeds=_arrays, spoil=spoil_npy, read=_read_store),
    Target(
        name="verify-weights", seeds=made.weights, spoil=spoil_safetensors, read=_verify_weights
    ),
    Target(name="verify-losses", seeds=_arrays, spoil=spoil_npy, read=_verify_rows),
)
"""The attacks."""
