"""Tokens a second with and without posterior noise, and how much of the device's peak that is.

Run ``PYTHONPATH=. python benchmarks/throughput.py`` on a machine with a GPU; prints JSON, or writes
``$OUT/throughput.json`` if OUT is set, anew after each size. ``--size tiny --device cpu`` is a
smoke test of a few seconds.

A Llama of about 125 M or 1.3 B parameters with random weights scores a batch of rows of one length,
without padding: logits, then the share of tokens it would have predicted. bfloat16 on a GPU,
float32 on a CPU. The ways:

- ``plain``, ``plain_lora``: without noise, and with an adapter of rank 16 on all linear layers of
  the blocks (peft keeps its factors in float32, as in certification);
- ``lora``: noise on the adapter's factors, a draw for each example;
- ``full``: noise on all matrices of linear layers and the head, a draw for each example;
- ``block``: the same matrices, a draw for each 16 examples, written into the weights.

Time: all ways alternate in one process, after a round that warms up; the median, least and largest
of a round, and of the ratios to ``plain`` and ``plain_lora`` of the same round.
Peak: products of two square matrices in the same type, the fastest, measured just before each size
in the same process. Share of peak: the operations of the plain model alone, those for noise and
adapter count as none. Memory (CUDA): the most that was allocated in a pass, weights of that way and
its copies included, and the ratios to the same of ``plain`` and ``plain_lora``.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from pacbayes.models.layer_noise import LayerNoise
from pacbayes.models.noise import Noise, WeightNoise
from pacbayes.posteriors.noise import Draw, NoiseKey, Stream

SIGMA = 1e-3
KEY = NoiseKey(seed=0, stream=Stream.PILOT, stratum=0)
BLOCK = 16
PLAIN = ("plain", "plain_lora")
RANK = 16
FLOPS = (
    "2 N T + 2 L H T^2 for each row: N weights in linear layers with the head, T tokens, L layers, "
    "H hidden units; attention by its causal half; no term for noise, adapter or embedding"
)


@dataclass(frozen=True, kw_only=True)
class Size:
    """A model and what it scores: rows of `length` tokens; `peak` is the width of the products."""

    hidden: int
    layers: int
    heads: int
    inner: int
    vocabulary: int
    rows: int
    length: int
    peak: int = 8192


SIZES = MappingProxyType(
    {
        "tiny": Size(
            hidden=64, layers=2, heads=2, inner=96, vocabulary=128, rows=32, length=24, peak=256
        ),
        "125m": Size(
            hidden=768, layers=12, heads=12, inner=2048, vocabulary=32000, rows=64, length=512
        ),
        "1.3b": Size(
            hidden=2048, layers=24, heads=16, inner=5504, vocabulary=32000, rows=32, length=512
        ),
    }
)


@dataclass(frozen=True, kw_only=True)
class Way:
    """One pass over the batch, a function of the number of the draw, and the bytes it stands on."""

    run: Callable[[int], Any]
    resident: int


def main() -> None:
    """Measures all sizes asked for."""
    options = _options()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    report: dict[str, Any] = _environment(options) | {"flops": FLOPS, "sizes": {}}
    for name in options.size:
        report["sizes"][name] = _measure(SIZES[name], options)
        report["seconds_in_all"] = round(time.perf_counter() - options.started, 1)
        _write(report)
    if "OUT" not in os.environ:
        print(json.dumps(report))


def _options() -> argparse.Namespace:
    cuda = torch.cuda.is_available()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", action="append", choices=tuple(SIZES), help="default: 125m, 1.3b")
    parser.add_argument("--device", default="cuda" if cuda else "cpu", choices=("cpu", "cuda"))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--limit", type=float, default=400.0, help="no new round after so long (s)")
    options = parser.parse_args()
    options.size = options.size or ["125m", "1.3b"]
    options.started = time.perf_counter()
    return options


def _environment(options: argparse.Namespace) -> dict[str, Any]:
    import peft
    import transformers

    on_cuda = options.device == "cuda"
    return {
        "device": torch.cuda.get_device_name() if on_cuda else "cpu",
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "peft": peft.__version__,
        "dtype": str(_dtype(options.device)).removeprefix("torch."),
    }


def _dtype(device: str) -> torch.dtype:
    return torch.float32 if device == "cpu" else torch.bfloat16


def _write(report: dict[str, Any]) -> None:
    if "OUT" in os.environ:
        path = Path(os.environ["OUT"]) / "throughput.json"
        path.write_text(json.dumps(report, indent=1) + "\n")


def _measure(size: Size, options: argparse.Namespace) -> dict[str, Any]:
    peak = _matrix_peak(size.peak, options.device)
    plain = _model(size, options.device)
    linear = _linear_weights(plain)
    ways = _ways(size, plain, linear, options.device)
    errors = _warm_up(ways)
    on_cuda = options.device == "cuda"
    memory = {name: _peak_memory(way) for name, way in ways.items()} if on_cuda else {}
    times = _times(ways, options)
    tokens = size.rows * size.length
    weights = sum(tensor.numel() for tensor in linear.values())
    flops = 2 * tokens * (weights + size.layers * size.hidden * size.length)
    return {
        "parameters": sum(p.numel() for p in plain.parameters()),
        "linear_parameters": weights,
        "rows": size.rows,
        "length": size.length,
        "rounds": len(times["plain"]),
        "peak_tflops": peak / 1e12,
        "peak_measured_by": f"fastest product of two {size.peak} x {size.peak} matrices",
        "ways": {
            name: _speed(found, tokens, flops / peak)
            | {
                "time_ratio": {k: _ratios(found, times[k]) for k in PLAIN if k in times},
                "memory_mib": memory[name] / 2**20 if memory else None,
                "memory_ratio": {k: memory[name] / memory[k] for k in PLAIN if k in memory},
            }
            for name, found in times.items()
        },
        "errors": errors,
    }


def _model(size: Size, device: str) -> Any:
    from transformers import AutoModelForCausalLM, LlamaConfig

    config = LlamaConfig(
        vocab_size=size.vocabulary,
        hidden_size=size.hidden,
        num_hidden_layers=size.layers,
        num_attention_heads=size.heads,
        num_key_value_heads=size.heads,
        intermediate_size=size.inner,
        max_position_embeddings=size.length,
        tie_word_embeddings=False,
    )
    with torch.device(device):
        return AutoModelForCausalLM.from_config(config, dtype=_dtype(device)).eval()


def _with_adapter(model: Any) -> Any:
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(r=RANK, target_modules="all-linear", task_type="CAUSAL_LM")
    return get_peft_model(model, config).eval()


def _linear_weights(model: nn.Module) -> dict[str, nn.Parameter]:
    return {
        f"{name}.weight": module.weight
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear)
    }


def _ways(size: Size, plain: Any, linear: dict[str, nn.Parameter], device: str) -> dict[str, Way]:
    adapted = _with_adapter(_model(size, device))
    factors = {k: p for k, p in adapted.named_parameters() if "lora_" in k}
    ids = torch.randint(size.vocabulary, (size.rows, size.length)).to(device)
    blocks = ids.split(BLOCK)
    lengths = [size.length] * BLOCK

    def each(model: Any, noise: Noise, draw: int) -> None:
        draws = [Draw(key=KEY, number=draw, unit=unit) for unit in range(size.rows)]
        with noise.applied(draws, dict.fromkeys(noise.tensors, SIGMA), [size.length] * size.rows):
            _score(model, ids)

    def together(noise: Noise, draw: int) -> None:
        for unit, rows in enumerate(blocks):
            draws = [Draw(key=KEY, number=draw, unit=unit)]
            with noise.applied(draws, dict.fromkeys(noise.tensors, SIGMA), lengths):
                _score(plain, rows)

    of_factors, of_rows, of_block = LayerNoise(factors), LayerNoise(linear), WeightNoise(linear)
    weights, with_factors = _bytes(plain.parameters()), _bytes(adapted.parameters())
    copied = weights + _bytes(linear.values())
    return {
        "plain": Way(run=lambda _: _score(plain, ids), resident=weights),
        "plain_lora": Way(run=lambda _: _score(adapted, ids), resident=with_factors),
        "lora": Way(run=lambda draw: each(adapted, of_factors, draw), resident=with_factors),
        "full": Way(run=lambda draw: each(plain, of_rows, draw), resident=weights),
        "block": Way(run=lambda draw: together(of_block, draw), resident=copied),
    }


@torch.inference_mode()
def _score(model: Any, ids: Tensor) -> Tensor:
    """Share of tokens that each row's own scores are highest for."""
    logits = model(input_ids=ids, use_cache=False).logits
    return (logits[:, :-1].argmax(-1) == ids[:, 1:]).float().mean(1).cpu()


def _warm_up(ways: dict[str, Way]) -> dict[str, str]:
    """Runs every way once; one that fails is taken out, so that the others are still measured."""
    errors = {}
    for name in list(ways):
        try:
            ways[name].run(0)
        except (RuntimeError, ValueError) as error:  # out of memory is a RuntimeError
            if name == "plain":
                raise
            errors[name] = " ".join(str(error).split())[:300]
            del ways[name]
    return errors


def _peak_memory(way: Way) -> int:
    """Bytes of the way's weights and of all that one pass allocates on a GPU."""
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    way.run(0)
    torch.cuda.synchronize()
    return way.resident + torch.cuda.max_memory_allocated() - before


def _times(ways: dict[str, Way], options: argparse.Namespace) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {name: [] for name in ways}
    for draw in range(1, options.rounds + 1):
        for name, way in ways.items():
            times[name].append(_seconds(lambda way=way, n=draw: way.run(n), options.device))
        print(f"round {draw} of {options.rounds}", file=sys.stderr)
        if time.perf_counter() - options.started > options.limit:
            break
    return times


def _seconds(action: Callable[[], Any], device: str) -> float:
    _wait(device)
    started = time.perf_counter()
    action()
    _wait(device)
    return time.perf_counter() - started


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def _matrix_peak(width: int, device: str) -> float:
    """Operations a second of the fastest of some products of square matrices."""
    a, b = torch.randn(2, width, width, device=device).to(_dtype(device))
    out = torch.empty_like(a)
    found = [_seconds(lambda: torch.mm(a, b, out=out), device) for _ in range(30)]
    return 2 * width**3 / min(found)


def _speed(times: Sequence[float], tokens: int, seconds_at_peak: float) -> dict[str, Any]:
    seconds = statistics.median(times)
    return {
        "tokens_per_second": tokens / seconds,
        "share_of_peak": seconds_at_peak / seconds,
        "seconds": _spread(times),
    }


def _bytes(tensors: Any) -> int:
    return sum(t.numel() * t.element_size() for t in tensors)


def _spread(values: Sequence[float]) -> list[float]:
    """Median, least and largest."""
    return [statistics.median(values), min(values), max(values)]


def _ratios(times: Sequence[float], plain: Sequence[float]) -> list[float]:
    return _spread([a / b for a, b in zip(times, plain, strict=True)])


if __name__ == "__main__":
    main()
