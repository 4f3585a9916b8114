"""The law of the noise: as it is made, and as it is found in the weights."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from scipy.stats import kstwo, norm

from pacbayes.posteriors.noise import Draw, Stream, standard_normals
from pacbayes.risk import FloatArray
from pacbayes.selftest.bench import Bench
from pacbayes.selftest.finding import FALSE_ALARM, Finding

KEYS, SIZE = 400, 2500
N_DRAWS = 8

SIGMAS = float(norm.isf(FALSE_ALARM))
"""Standard errors that a mean is off with probability `FALSE_ALARM` on either side."""

PINNED = (1.7992988, -0.8996489, 0.4937251, -0.0129279)
"""The first variates of seed 0, draw 0 and unit 0 on a CPU."""


def check(bench: Bench) -> Iterator[Finding]:
    """Variates of the device, then what is added to weights."""
    drawn = pinned()
    yield Finding(
        what="CPU noise of a known key, largest difference from its value",
        figure=float(np.abs(drawn - np.array(PINNED)).max()),
        limit=2e-6,
    )
    yield from law_of(made(bench), "noise")
    inside, changed = in_weights(bench)
    yield from law_of(inside, "noise found in weights, in σ")
    yield Finding(
        what="weights that differ after noise is taken out", figure=float(changed), limit=0.0
    )


def law_of(normals: FloatArray, what: str) -> Iterator[Finding]:
    """Whether rows are independent and standard normal, by their first moments and their law."""
    z = normals.ravel()
    pairs = (normals[:, :-1] * normals[:, 1:], normals[:-1] * normals[1:])
    for name, values, mean, deviation in (
        ("mean", z, 0.0, 1.0),
        ("variance", z**2, 1.0, 2**0.5),
        ("products of neighbours in a row", pairs[0], 0.0, 1.0),
        ("products of neighbouring rows", pairs[1], 0.0, 1.0),
    ):
        yield Finding(
            what=f"{what}: {name}, standard errors off",
            figure=abs(float(values.mean()) - mean) / deviation * values.size**0.5,
            limit=SIGMAS,
            false_alarm=2 * FALSE_ALARM,
        )
    yield Finding(
        what=f"{what}: Kolmogorov distance from the normal law",
        figure=_kolmogorov(z),
        limit=float(kstwo.isf(FALSE_ALARM, z.size)),
        false_alarm=FALSE_ALARM,
    )


def _kolmogorov(z: FloatArray) -> float:
    expected = norm.cdf(np.sort(z))
    places = np.arange(z.size + 1) / z.size
    return float(max((places[1:] - expected).max(), (expected - places[:-1]).max()))


def pinned() -> FloatArray:
    """Variates that are the same on every CPU, up to the last places of its sines."""
    key = Bench(seed=0).key(Stream.CERTIFICATE)
    one = Draw(key=key, number=0, unit=0)
    return np.asarray(standard_normals([one], len(PINNED), part=0)[0].double())


def made(bench: Bench) -> FloatArray:
    """Variates of neighbouring keys as the device makes them, one key a row."""
    draws = [Draw(key=bench.key(Stream.PILOT), number=0, unit=unit) for unit in range(KEYS)]
    found = standard_normals(draws, SIZE, part=0, device=torch.device(bench.device))
    return np.asarray(found.double().cpu())


def in_weights(bench: Bench) -> tuple[FloatArray, int]:
    """Noise in units of its scale, one draw a row, and how many weights it leaves changed."""
    noise = bench.model("easy", draw_mode="block").noise
    sigmas = {name: 0.1 + 0.01 * place for place, name in enumerate(noise.tensors)}
    before = {name: tensor.detach().clone() for name, tensor in noise.tensors.items()}
    rows = []
    for number in range(N_DRAWS):
        draw = Draw(key=bench.key(Stream.PILOT), number=number, unit=0)
        with noise.applied([draw], sigmas):
            added = [
                (tensor.detach().double() - before[name].double()).flatten() / sigmas[name]
                for name, tensor in noise.tensors.items()
            ]
        rows.append(np.asarray(torch.cat(added).cpu()))
    changed = sum(int((noise.tensors[name] != tensor).sum()) for name, tensor in before.items())
    return np.stack(rows), changed
