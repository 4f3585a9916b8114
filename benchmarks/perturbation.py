"""What posterior draws cost beside a plain forward pass, in time and in memory, on the sample.

Run ``python benchmarks/perturbation.py [--level hard] [--device cuda]``; prints one line of JSON.

Time: all ways alternate in one process; ratios to the plain pass of the same model in the same
round, their median, least and largest, so that drifts of the machine's speed cancel. On a CPU it is
the time of the process, which a busy machine changes less than the time of day. Memory: every way
runs in a process of its own; the highest resident size (Linux) above that before the first pass, on
CUDA the most memory allocated, divided by that of the plain pass of the same model.

- ``lora``: the shipped adapter, a draw for each example;
- ``full``: all tensors of the base model, a draw for each example;
- ``block``: all tensors of the base model, a draw for each 16 examples, written into the weights;
- ``single``: the same for each example, one at a time;
- ``stacked``: the weights of all examples of a batch at once, by `torch.vmap`.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch

from pacbayes.cli.bound import _keep_freed_memory
from pacbayes.data.sample import Unit, read_sample
from pacbayes.losses import LOSSES
from pacbayes.models.layer_noise import LayerNoise
from pacbayes.models.loading import OpenOptions
from pacbayes.models.noise import WeightNoise, drawn, normals_at, places
from pacbayes.models.opening import open_fine_tuned
from pacbayes.posteriors.noise import Draw, NoiseKey, Stream
from pacbayes.risk import Scorer

SIGMA = 0.01
KEY = NoiseKey(seed=0, stream=Stream.PILOT, stratum=0)
PLAIN = {
    "lora": "plain_lora",
    "full": "plain",
    "block": "plain",
    "single": "plain",
    "stacked": "plain",
}

Pass = Callable[[int], Any]


def main() -> None:
    """Times all ways, measures their memory and prints the ratios."""
    options = _options()
    torch.set_num_threads(options.threads)
    if options.peak:
        print(_peak(options))
        return
    passes, units = _passes(options)
    peaks = {} if options.no_memory else {name: _peak_of(name, options) for name in passes}
    _keep_freed_memory()
    times = _times(passes, options)
    print(
        json.dumps(
            {
                "device": options.device,
                "level": options.level,
                "examples": len(units),
                "batch_size": options.batch_size,
                "threads": torch.get_num_threads(),
                "mean_tokens": round(statistics.mean(len(u[0].input_ids) for u in units), 1),
                "plain_examples_per_second": _rate(times["plain"], len(units)),
                "plain_lora_examples_per_second": _rate(times["plain_lora"], len(units)),
                "time_ratio": {k: _ratios(times[k], times[p]) for k, p in PLAIN.items()},
                "memory_ratio": {
                    k: round(peaks[k] / peaks[p], 2) for k, p in PLAIN.items() if k in peaks
                },
                "memory_mib": {k: round(v / 2**20, 1) for k, v in peaks.items()},
            }
        )
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--level", default="hard", choices=("easy", "medium", "hard"))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--examples", type=int, default=128)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--no-memory", action="store_true")
    parser.add_argument("--peak", help="only the memory of one way, in bytes")
    return parser.parse_args()


def _passes(options: argparse.Namespace) -> tuple[dict[str, Pass], Sequence[Unit]]:
    """Every way as a function of the number of the draw."""
    sample = Path(str(files("pacbayes.sample")))
    model = open_fine_tuned(
        OpenOptions(checkpoint=sample / "adapters" / options.level, device=options.device)
    )
    other: Any = open_fine_tuned(
        OpenOptions(checkpoint=sample / "adapters" / options.level, device=options.device)
    ).model
    base = other.unload().eval()
    (part,) = read_sample([sample / "data" / f"{options.level}.jsonl"]).strata
    units = part.encode(model.tokenizer, max_length=model.context)[: options.examples]
    parameters = dict(base.named_parameters())
    lora = Scorer(model=model, losses=(LOSSES["exact"],), batch_size=options.batch_size)
    full = replace(lora, model=replace(model, model=base, noise=LayerNoise(parameters)))
    block = replace(full, model=replace(model, model=base, noise=WeightNoise(parameters)))
    single = replace(block, block=1)

    def noisy(scorer: Scorer) -> Pass:
        sigmas = dict.fromkeys(scorer.model.noise.tensors, SIGMA)
        return lambda draw: scorer.under_noise(units, sigmas, key=KEY, draw=draw)

    return {
        "plain": lambda _: full.at_centre(units),
        "plain_lora": lambda _: lora.at_centre(units),
        "lora": noisy(lora),
        "full": noisy(full),
        "block": noisy(block),
        "single": noisy(single),
        "stacked": lambda draw: _stacked(base, parameters, units, options, draw),
    }, units


@torch.inference_mode()
def _stacked(
    model: torch.nn.Module,
    parameters: dict[str, torch.Tensor],
    units: Sequence[Unit],
    options: argparse.Namespace,
    draw: int,
) -> None:
    """Scores of batches of similar length, with the weights of every example side by side."""
    where = places(parameters)

    def scores(weights: dict[str, torch.Tensor], ids: torch.Tensor, mask: torch.Tensor) -> Any:
        inputs = {"input_ids": ids[None], "attention_mask": mask, "use_cache": False}
        return torch.func.functional_call(model, weights, kwargs=inputs).logits[0]

    order = sorted(range(len(units)), key=lambda i: len(units[i][0].input_ids))
    for start in range(0, len(order), options.batch_size):
        rows = order[start : start + options.batch_size]
        draws = [Draw(key=KEY, number=draw, unit=row) for row in rows]
        longest = max(len(units[row][0].input_ids) for row in rows)
        ids = torch.zeros(len(rows), longest, dtype=torch.long, device=options.device)
        for place, row in enumerate(rows):
            tokens = units[row][0].input_ids
            ids[place, : len(tokens)] = torch.tensor(tokens, device=options.device)
        weights = {
            name: drawn(tensor, SIGMA, normals_at(where[name], draws, tensor))
            for name, tensor in parameters.items()
        }
        # a mask of four dimensions is taken as it is: making one is not for vmap
        mask = torch.ones(longest, longest, dtype=torch.bool, device=options.device).tril()
        mask = mask[None, None]
        torch.vmap(scores, in_dims=(0, 0, None))(weights, ids, mask).argmax(-1).cpu()


def _times(passes: dict[str, Pass], options: argparse.Namespace) -> dict[str, list[float]]:
    cuda = options.device.startswith("cuda")
    clock = time.perf_counter if cuda else time.process_time
    times: dict[str, list[float]] = {name: [] for name in passes}
    for draw in range(options.rounds + 1):
        for name, one in passes.items():
            started = clock()
            one(draw)
            if cuda:
                torch.cuda.synchronize()
            times[name].append(clock() - started)
    return {name: found[1:] for name, found in times.items()}  # the first warms up


def _ratios(times: Sequence[float], plain: Sequence[float]) -> list[float]:
    """Median, least and largest."""
    ratios = [a / b for a, b in zip(times, plain, strict=True)]
    return [round(f(ratios), 3) for f in (statistics.median, min, max)]


def _rate(times: Sequence[float], examples: int) -> float:
    return round(examples / statistics.median(times), 1)


def _peak_of(name: str, options: argparse.Namespace) -> int:
    arguments = [f"--{k}={getattr(options, k)}" for k in ("level", "device", "examples")]
    arguments += [f"--batch-size={options.batch_size}", f"--threads={options.threads}"]
    command = [sys.executable, __file__, *arguments, "--peak", name]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _peak(options: argparse.Namespace) -> int:
    """Bytes that one pass takes beyond what is there before it."""
    passes, _ = _passes(options)
    if options.device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        passes[options.peak](0)
        return torch.cuda.max_memory_allocated() - before
    Path("/proc/self/clear_refs").write_text("5")  # Linux: forget the highest resident size
    before = _status("VmRSS")
    passes[options.peak](0)
    return _status("VmHWM") - before


def _status(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith(f"{field}:"))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    main()
