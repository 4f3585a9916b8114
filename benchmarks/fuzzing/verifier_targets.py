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

from benchmarks.fuzzing import model_folders as made
from benchmarks.fuzzing.binary_mutation import spoil_npy, spoil_safetensors
from benchmarks.fuzzing.mutation import spoil
from benchmarks.fuzzing.target import Target
from pacbayes.verify.comparisons import Report
from pacbayes.verify.draws import check_draws
from pacbayes.verify.weights import check_weights

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
    group = {"sigma_posterior": 0.1, "sigma_prior": 0.2, "distance_squared": 1.0, "size": 8}
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
    check_weights(document, Report(leaves=()), after, before, network)


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
)
"""The attacks."""
