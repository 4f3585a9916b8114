"""What a fresh posterior draw for each example costs beside a plain forward pass, on the sample.

Run ``python benchmarks/draws.py [LEVEL]``; prints one line of JSON. The two passes alternate in
one process and the median ratio is given, so that drifts of the machine's speed cancel.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from importlib.resources import files
from pathlib import Path

import torch

from pacbayes.data.sample import read_sample
from pacbayes.losses import LOSSES
from pacbayes.models.fine_tuned import open_fine_tuned
from pacbayes.models.loading import OpenOptions
from pacbayes.posteriors.noise import Stream
from pacbayes.risk import NoiseKey, Scorer

ROUNDS, EXAMPLES = 7, 256


def main() -> None:
    """Times alternating passes and prints the ratio."""
    level = sys.argv[1] if len(sys.argv) > 1 else "hard"
    sample = Path(str(files("pacbayes.sample")))
    model = open_fine_tuned(OpenOptions(checkpoint=sample / "adapters" / level))
    (part,) = read_sample([sample / "data" / f"{level}.jsonl"]).strata
    units = part.encode(model.tokenizer, max_length=model.context)[:EXAMPLES]
    scorer = Scorer(model=model, losses=(LOSSES["exact"],))
    sigmas = dict.fromkeys(model.sizes, 0.01)
    key = NoiseKey(seed=0, stream=Stream.PILOT, stratum=0)
    plain, drawn = [], []
    for draw in range(ROUNDS + 1):
        started = time.perf_counter()
        scorer.at_centre(units)
        middle = time.perf_counter()
        scorer.under_noise(units, sigmas, key=key, draw=draw)
        plain.append(middle - started)
        drawn.append(time.perf_counter() - middle)
    ratios = [b / a for a, b in zip(plain[1:], drawn[1:], strict=True)]  # the first warms up
    print(
        json.dumps(
            {
                "level": level,
                "examples": EXAMPLES,
                "threads": torch.get_num_threads(),
                "plain_examples_per_second": round(EXAMPLES / statistics.median(plain[1:]), 1),
                "ratio_median": round(statistics.median(ratios), 3),
                "ratio_range": [round(min(ratios), 3), round(max(ratios), 3)],
            }
        )
    )


if __name__ == "__main__":
    main()
