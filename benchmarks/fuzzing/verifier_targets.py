"""Attacks on the inputs that a certificate is verified with: draws, checkpoint, prior, network.

A content is one file of several; its first byte says which.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from benchmarks.fuzzing import model_folders as made
from benchmarks.fuzzing.binary_mutation import spoil_npy, spoil_safetensors
from benchmarks.fuzzing.mutation import spoil, spoil_bytes
from benchmarks.fuzzing.target import Target
from pacbayes.posteriors.diagonal import Diagonal
from pacbayes.posteriors.isotropic import Isotropic
from pacbayes.posteriors.low_rank import LowRank
from pacbayes.posteriors.per_group import PerGroup
from pacbayes.posteriors.saved import save
from pacbayes.verify.comparisons import Report
from pacbayes.verify.inputs.codes import read_code, shifts
from pacbayes.verify.inputs.draws import check_draws
from pacbayes.verify.inputs.weights import check_weights

_HASH = "0" * 64
_KEY = {
    "version": "0",
    "seed": 0,
    "data": [],
    "base": _HASH,
    "environment": {},
    "posterior": _HASH,
    "choice": "stored",
    "sigmas": {},
    "losses": ["token"],
    "strata": [["passes", 4, _HASH], ["pairs", 4, _HASH]],
    "block": None,
}
_ROW = [0.0, 0.25, 0.5, 1.0]
_DRAWS = {
    "key.json": json.dumps(_KEY, sort_keys=True).encode(),
    "stratum0.pass0.npy": made.array([_ROW]),
    "stratum0.pass1.npy": made.array([_ROW]),
    "stratum0.centre.npy": made.array([_ROW]),
    "stratum1.margins.npy": made.array([_ROW]),
    "stratum1.probabilities.npy": made.array([[0.25] * 4]),
    "stratum1.aims.npy": made.array([[1.0]]),
    "stratum1.units0.npy": made.array([[0.0, 3.0, 1.0]]),
    "stratum1.pass0.npy": made.array([[0.5, 1.0, 0.25]]),
}
_FACTORS = made.factors()
_CHECKPOINT = {
    "after/adapter_config.json": made.adapter_config(),
    "after/adapter_model.safetensors": made.safetensors(_FACTORS),
    "before/adapter_config.json": made.adapter_config(),
    "before/adapter_model.safetensors": made.safetensors({k: 0 * v for k, v in _FACTORS.items()}),
    "before/pacbayes.json": json.dumps({"sigma_posterior": dict.fromkeys(_FACTORS, 0.1)}).encode(),
    "network/adapter_config.json": made.adapter_config(),
    "network/adapter_model.safetensors": made.safetensors(_FACTORS),
}


def _document(kind: str) -> dict[str, Any]:
    """What is read of a certificate here."""
    bets = [{"lam": lam, "mean_log": -0.1} for lam in (0.9, -9.0)]
    stratum = {
        "n": 4,
        "unperturbed_risk": 0.4375,
        "empirical_risk": 0.4375,
        "empirical_risk_bound": [0.1, 0.9],
        "n_draws": 3,
        "bets": bets,
    }
    ways = ("kl interval over 2 passes with fresh draws", "betting interval over 3 pairs")
    strata = [
        {"name": name, "sampling": way, **stratum}
        for name, way in zip(("passes", "pairs"), ways, strict=True)
    ]
    group = {
        "sigma_posterior": 0.1,
        "sigma_prior": 0.2,
        "distance_squared": 1.0,
        "anisotropy": 0.0,
        "size": 8,
    }
    return {
        "version": "0",
        "seed": 0,
        "data": [],
        "delta": {"total": 0.05, "ledger": [{"event": "", "delta": 0.01}] * 4},
        "loss": {"name": "token"},
        "object": {"kind": kind, "target": "fresh"},
        "prior": {
            "base": {"sha256": _HASH},
            "centre": {"sha256": _HASH},
            "scale_grid": {"size": 641, "index": 512},
            "data": [],
        },
        "posterior": {
            "centre": {"sha256": _HASH},
            "family": "gaussian",
            "choice": "stored",
            "groups": [{"name": name, **group} for name in _FACTORS],
        },
        "kl_by_group": dict.fromkeys(_FACTORS, 1.0),
        "strata": strata,
        "environment": {"packages": {}, "device": "cpu", "dtype": "float32"},
    }


def _seeds(files: Mapping[str, bytes]) -> list[bytes]:
    return [bytes([i]) + content for i, content in enumerate(files.values())]


def _spoil_one(rng: random.Random, content: bytes) -> bytes:
    inner = content[1:]
    if inner[:1] == b"\x93":
        change = spoil_npy
    else:
        change = spoil if inner[:1] == b"{" else spoil_safetensors
    return content[:1] + change(rng, inner)


def _written(place: Path, files: Mapping[str, bytes], content: bytes) -> None:
    """All files as they are but for one, which is the content."""
    chosen = content[0] % len(files)
    for i, (name, held) in enumerate(files.items()):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(content[1:] if i == chosen else held)


def _check_draws(place: Path, content: bytes) -> None:
    """In a folder that is named after the key as it is."""
    key = content[1:] if content[0] % len(_DRAWS) == 0 else _DRAWS["key.json"]
    folder = place / hashlib.sha256(key).hexdigest()[:16]
    _written(folder, _DRAWS, content)
    try:
        check_draws(_document("posterior"), Report(leaves=()), folder)
    finally:
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()


def _check_checkpoint(place: Path, content: bytes) -> None:
    _written(place, _CHECKPOINT, content)
    document = _document("drawn")
    after, before, network = (place / name for name in ("after", "before", "network"))
    report = Report(leaves=())
    check_weights(document, report, checkpoint=after, posterior=None, prior=before, network=network)


def _posteriors(place: Path) -> list[bytes]:
    """Of independent weights, of a factor's groups, with correlations of few directions."""
    scales = {name: 0.1 + 0 * tensor for name, tensor in _FACTORS.items()}
    one = {name: torch.tensor(0.1) for name in _FACTORS}
    few = {name: tensor[None] for name, tensor in _FACTORS.items()}
    groups = {"all": tuple(_FACTORS)}
    families = (
        Isotropic(means=_FACTORS, scale=one[next(iter(one))]),
        Diagonal(means=_FACTORS, scales=scales),
        PerGroup(means=_FACTORS, groups=groups, scales={"all": torch.tensor(0.1)}),
        LowRank(means=_FACTORS, groups=groups, scales=scales, factors=few),
    )
    contents = []
    for family in families:
        save(family, place / "q.safetensors")
        contents.append((place / "q.safetensors").read_bytes())
    return contents


def _check_posterior(place: Path, content: bytes) -> None:
    _written(place, _CHECKPOINT, b"\0" + _CHECKPOINT["after/adapter_config.json"])
    (place / "q.safetensors").write_bytes(content)
    check_weights(
        _document("drawn"),
        Report(leaves=()),
        checkpoint=place / "after",
        posterior=place / "q.safetensors",
        prior=place / "before",
        network=place / "network",
    )


_SIZES = [8, 8]


def _codes(_: Path) -> list[bytes]:
    """Of two words, with and without a shape; and too long ones."""
    return [b"\x5c" + bytes(9), b"\x5e" + bytes(9), b"\xff" * 12, bytes(40), b""]


def _check_code(place: Path, content: bytes) -> None:
    (place / "code.bin").write_bytes(content)
    code = read_code(place / "code.bin", _SIZES)
    list(shifts(code, _SIZES, [0.1, 0.2]))


VERIFIER_TARGETS = (
    Target(
        name="verify-draws", seeds=lambda _: _seeds(_DRAWS), spoil=_spoil_one, read=_check_draws
    ),
    Target(
        name="verify-checkpoint",
        seeds=lambda _: _seeds(_CHECKPOINT),
        spoil=_spoil_one,
        read=_check_checkpoint,
    ),
    Target(
        name="verify-posterior",
        seeds=_posteriors,
        spoil=spoil_safetensors,
        read=_check_posterior,
    ),
    Target(name="verify-code", seeds=_codes, spoil=spoil_bytes, read=_check_code),
)
"""The attacks."""
