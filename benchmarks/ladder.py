"""The ladder of tightness: what each choice of prior and posterior does to the certificate.

Run ``python benchmarks/ladder.py SUBJECT --out DIR`` for each SUBJECT (easy, hard: LoRA; full:
every weight of the shipped base; gpt2: every weight of a GPT-2 that is first pretrained here), then
``python benchmarks/ladder.py figure --out DIR``. What it has trained and certified is kept in DIR,
so that an interrupted run goes on. Each rung is one certificate (δ = .05, exact loss, one pass of
draws) of a predictor whose held-out risk is bounded beside it from 1,500 problems.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from subjects import adapters, full, gpt2
from subjects.rungs import Rung

from pacbayes.certificate import StratumCertificate
from pacbayes.certify import certify
from pacbayes.data.sample import read_sample
from pacbayes.models.loading import OpenOptions
from pacbayes.models.opening import open_fine_tuned
from pacbayes.settings import Settings

SETTINGS = Settings(passes=1)

SUBJECTS: Mapping[str, Callable[[Path], list[Rung]]] = MappingProxyType(
    {
        "easy": partial(adapters.rungs, "easy"),
        "hard": partial(adapters.rungs, "hard"),
        "full": partial(full.rungs, full.LLAMA_EASY),
        "gpt2": gpt2.rungs,
    }
)
"""The rungs of each subject."""

TITLES = MappingProxyType(
    {
        "easy": "LoRA, easy",
        "hard": "LoRA, hard",
        "full": "all weights, easy",
        "gpt2": "all weights of a GPT-2",
    }
)


def climb(rung: Rung, out: Path) -> dict[str, Any]:
    """Trains and certifies one rung and tells its numbers."""
    rung.make()
    model = open_fine_tuned(OpenOptions(checkpoint=rung.checkpoint, prior=rung.prior))
    prior_data = [rung.prior_data] if rung.prior_data is not None else []
    sample = read_sample([rung.data], held_out=[rung.held_out], prior_data=prior_data)
    settings = replace(SETTINGS, **rung.settings)
    started = time.process_time()
    (found,) = certify(model, sample, settings, posterior_folder=out / "posterior")
    (stratum,) = found.strata
    return {
        "rung": rung.name,
        "n": stratum.n,
        "weights": sum(model.sizes.values()),
        "kl": round(found.kl, 1),
        "choice": found.posterior.choice,
        "cpu_seconds": round(time.process_time() - started, 1),
        **_numbers(stratum),
    }


def _numbers(stratum: StratumCertificate) -> dict[str, Any]:
    held_out, prior = stratum.held_out, stratum.prior_held_out
    assert held_out is not None
    test_set = held_out.stochastic.interval[1]
    return {
        "risk": stratum.unperturbed_risk,
        "risk_under_noise": stratum.empirical_risk,
        "bound": stratum.risk_bound[1],
        "held_out": held_out.stochastic.mean,
        "held_out_bound": test_set,
        "ratio": round(stratum.risk_bound[1] / test_set, 2),
        "prior_alone_bound": None if prior is None else prior.interval[1],
    }


def draw(out: Path) -> None:
    """A figure of all subjects that have been climbed."""
    from matplotlib.figure import Figure

    paths = {name: out / f"{name}.ladder.json" for name in SUBJECTS}
    found = {name: json.loads(p.read_text()) for name, p in paths.items() if p.is_file()}
    figure = Figure(figsize=(3.6 * len(found), 4.6), layout="constrained")
    for axes, (name, rungs) in zip(
        figure.subplots(1, len(found), sharey=True, squeeze=False)[0], found.items(), strict=True
    ):
        labels = [rung["rung"] for rung in rungs]
        axes.plot(labels, [rung["bound"] for rung in rungs], "o-", label="certified")
        axes.plot(labels, [rung["held_out_bound"] for rung in rungs], "s--", label="held-out bound")
        axes.plot(labels, [rung["held_out"] for rung in rungs], "x:", label="held-out risk")
        axes.set_title(TITLES[name])
        axes.tick_params(axis="x", labelrotation=90)
        axes.set_yscale("log")
        axes.set_ylim(5e-4, 1.3)
    figure.axes[0].set_ylabel("risk, exact loss")
    figure.axes[0].legend()
    figure.savefig(out / "ladder.png", dpi=110)


def main() -> None:
    """Climbs one subject's ladder, or draws all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("subject", choices=[*SUBJECTS, "figure"])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", nargs="+", help="names of rungs; all by default")
    arguments = parser.parse_args()
    subject, out = arguments.subject, arguments.out
    out.mkdir(parents=True, exist_ok=True)
    if subject == "figure":
        draw(out)
        return
    path = out / f"{subject}.ladder.json"
    done = {old["rung"]: old for old in json.loads(path.read_text())} if path.is_file() else {}
    rungs = SUBJECTS[subject](out)
    for rung in rungs:
        if rung.name in done or rung.name not in (arguments.only or [rung.name]):
            continue
        done[rung.name] = climb(rung, out / subject / rung.name.replace(" ", "-"))
        print(json.dumps(done[rung.name], ensure_ascii=False), flush=True)
        in_order = [done[rung.name] for rung in rungs if rung.name in done]
        path.write_text(json.dumps(in_order, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
