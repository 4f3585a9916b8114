"""Forward passes until the posterior's empirical risk is known to ± .005, beside the usual way.

``python benchmarks/tolerance.py --checkpoint DIR --data FILE [--prior DIR] --out FILE`` takes the
noise of the checkpoint (learned with it, or in proportion to the prior's own) times a factor at
which a wanted share of predictions flips, and draws as ``pacbayes-bound --tolerance`` does. The
usual way sweeps all data with one draw of the weights at a time and bounds the mean of the sweeps'
risks by the kl interval; how many sweeps that takes is computed for the same mean, not run.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pacbayes.confidence import kl_upper
from pacbayes.data.sample import Unit, read_sample
from pacbayes.draws import DrawStore
from pacbayes.models.fine_tuned import FineTuned
from pacbayes.models.loading import OpenOptions
from pacbayes.models.opening import open_fine_tuned
from pacbayes.posteriors.noise import NoiseKey, Stream
from pacbayes.risk import Scorer
from pacbayes.sampling import Sampler
from pacbayes.settings import MONTE_CARLO_SHARE, Settings

DELTA = 0.05 * MONTE_CARLO_SHARE
"""What a certificate at δ = .05 spends on this interval, both sides together."""

TRIED = 1000
"""Units on which the factor is found."""

MOST_PASSES = 30


def flip_share(scorer: Scorer, units: Sequence[Unit], sigmas: Mapping[str, float]) -> float:
    """Share of predictions that one draw of noise each makes right or wrong."""
    key = NoiseKey(seed=1, stream=Stream.PILOT, stratum=0)
    noisy = scorer.under_noise(units, sigmas, key=key, draw=0)
    return float((noisy != scorer.at_centre(units)).mean())


def scaled(shape: Mapping[str, float], factor: float) -> dict[str, float]:
    """The same noise in another size."""
    return {name: factor * sigma for name, sigma in shape.items()}


def factor_for(
    scorer: Scorer, units: Sequence[Unit], shape: Mapping[str, float], wanted: float
) -> float:
    """The factor at which about the wanted share of predictions flips, by bisection of its log."""
    low, high = 2.0**-4, 2.0**4
    for _ in range(7):  # to within a sixteenth of an octave
        middle = (low * high) ** 0.5
        if flip_share(scorer, units, scaled(shape, middle)) < wanted:
            low = middle
        else:
            high = middle
    return low


def usual_sweeps(mean: float, tolerance: float) -> int:
    """Sweeps, one draw of the weights each, until kl's upper bound is so near a mean."""

    def wide(sweeps: int) -> bool:
        high = float(kl_upper(mean=mean, n_draws=sweeps, delta=DELTA / 2))
        return high - mean > tolerance

    low, high = 0, 1
    while wide(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if wide(middle) else (low, middle)
    return high


def measure(
    model: FineTuned, units: Sequence[Unit], *, wanted: float, tolerance: float
) -> dict[str, Any]:
    """Draws to the tolerance at the noise that flips the wanted share."""
    scorer = Settings().scorer(model)
    shape = dict(model.suggested_noise) or model.relative_scales
    factor = factor_for(scorer, units[:TRIED], shape, wanted)
    sigmas = scaled(shape, factor)
    sampler = Sampler(
        scorer=scorer,
        units=units,
        sigmas=sigmas,
        seed=0,
        stratum=0,
        store=DrawStore(None, {}),
        passes=MOST_PASSES,
        pilot=Settings().pilot,
        delta=DELTA,
    )
    started = time.process_time()
    _, (found,) = sampler.until(tolerance, sampler.pilot_losses())
    seconds = time.process_time() - started
    pairs = found.n_draws * scorer.units_per_draw
    forwards = len(units) + Settings().pilot + pairs
    return {
        "factor": round(factor, 4),
        "flip_share": flip_share(scorer, units, sigmas),
        "risk_under_noise": found.mean,
        "interval": found.interval,
        "n": len(units),
        "units_per_draw": scorer.units_per_draw,
        "pairs": pairs,
        "sweeps": round(forwards / len(units), 2),
        "usual_sweeps": usual_sweeps(found.mean, tolerance),
        "cpu_seconds": round(seconds, 1),
    }


def main() -> None:
    """Measures one model at each wanted share of flips."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--prior", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--flips", type=float, nargs="+", default=[0.02, 0.11])
    parser.add_argument("--tolerance", type=float, default=0.005)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    model = open_fine_tuned(OpenOptions(checkpoint=arguments.checkpoint, prior=arguments.prior))
    (part,) = read_sample([arguments.data]).strata
    units = part.encode(model.tokenizer, max_length=model.context)
    found = json.loads(arguments.out.read_text()) if arguments.out.is_file() else {}
    for wanted in arguments.flips:
        name = f"{arguments.checkpoint.name}, {wanted}, {arguments.tolerance}"
        if name in found:
            continue
        found[name] = measure(model, units, wanted=wanted, tolerance=arguments.tolerance)
        print(name, json.dumps(found[name]), flush=True)
        arguments.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
