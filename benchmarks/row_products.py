"""Which way of multiplying with a draw of its own for each row is cheaper on a device.

Run ``PYTHONPATH=. python benchmarks/row_products.py [--device cuda]``; prints one line of JSON.

- ``normals_per_second``, by how many are made at once;
- ``products``: microseconds of the product of one row of tokens with one square matrix: plain, with
  explicit weights, and by tokens; medians. `pacbayes.models.row_noise.cheaper_way` rests on these.

bfloat16 on a GPU, float32 on a CPU.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from pacbayes.models.layer_noise import LayerNoise
from pacbayes.posteriors.noise import Draw, NoiseKey, Stream, standard_normals

SIGMA = 1e-3
KEY = NoiseKey(seed=0, stream=Stream.PILOT, stratum=0)


def main() -> None:
    """Measures all sizes and prints them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = "cuda" if torch.cuda.is_available() else "cpu"
    parser.add_argument("--device", default=default, choices=("cpu", "cuda"))
    parser.add_argument("--tokens", type=int, nargs="+", default=[32, 128, 512])
    parser.add_argument("--width", type=int, nargs="+", default=[2048, 4096])
    parser.add_argument("--normals", type=int, nargs="+", default=[1 << 15, 1 << 20, 1 << 25])
    options = parser.parse_args()
    device = options.device
    report = {
        "device": torch.cuda.get_device_name() if device == "cuda" else "cpu",
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "normals_per_second": {n: _normals(n, device) for n in options.normals},
        "products": [_product(t, w, device) for w in options.width for t in options.tokens],
    }
    print(json.dumps(report))


def _normals(size: int, device: str) -> float:
    draws = [Draw(key=KEY, number=0, unit=unit) for unit in range(8)]
    seconds = _median(lambda: standard_normals(draws, size, part=0, device=device), device)
    return len(draws) * size / seconds


@torch.inference_mode()
def _product(tokens: int, width: int, device: str) -> dict[str, float]:
    dtype = torch.float32 if device == "cpu" else torch.bfloat16
    layer = nn.Linear(width, width, bias=False, device=device, dtype=dtype)
    x = torch.randn(1, tokens, width, device=device).to(dtype)
    draw = Draw(key=KEY, number=0, unit=0)

    def noisy(by_tokens: bool) -> float:
        noise = LayerNoise({"weight": layer.weight}, by_tokens=lambda *_: by_tokens)

        def once() -> None:
            with noise.applied([draw], {"weight": SIGMA}, [tokens]):
                layer(x)

        return 1e6 * _median(once, device)

    return {
        "tokens": tokens,
        "width": width,
        "plain": 1e6 * _median(lambda: layer(x), device),
        "explicit": noisy(False),
        "by_tokens": noisy(True),
    }


def _median(action: Callable[[], Any], device: str, times: int = 7) -> float:
    """Seconds; the first run warms up."""
    found = []
    for _ in range(times + 1):
        started = time.perf_counter()
        action()
        if device == "cuda":
            torch.cuda.synchronize()
        found.append(time.perf_counter() - started)
    return statistics.median(found[1:])


if __name__ == "__main__":
    main()
