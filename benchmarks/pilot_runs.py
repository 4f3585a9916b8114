"""Pilot fine-tunes that a plan can be made from: difficulty × budget × seed on the shipped sample.

Run ``python benchmarks/pilot_runs.py --out DIR``. Each run trains a LoRA adapter towards the bound
on some problems of one level (other ones for each seed), certifies it on them (δ = .05, exact loss,
one pass of draws) and measures the risk of the same posterior on fresh problems of every level. A
finished run is a folder of DIR with `certificate.json` and `run.json` and is kept, so that an
interrupted script goes on; all of them are written to `DIR/runs.jsonl`.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

from pacbayes.certificate import Certificate
from pacbayes.certify import certify
from pacbayes.data.sample import read_sample
from pacbayes.losses import LOSSES
from pacbayes.models.loading import NOTES, OpenOptions
from pacbayes.models.opening import open_fine_tuned
from pacbayes.models.posterior_file import NAME as POSTERIOR
from pacbayes.models.posterior_file import with_posterior, write_posterior
from pacbayes.posteriors.noise import NoiseKey, Stream
from pacbayes.risk import Scorer
from pacbayes.runs import Measured, Run
from pacbayes.sample.build import SHIPPED
from pacbayes.sample.fine_tune import Recipe, attach_adapter, fine_tune
from pacbayes.sample.pretrain import exact_match
from pacbayes.sample.problems import LEVELS, Problem
from pacbayes.settings import Settings

SAMPLE = Path(str(files("pacbayes.sample")))
BASE = SAMPLE / "base"
SEEN = 12000
"""Examples that each run sees, repeats included: as many gradient steps for all."""

SETTINGS = Settings(passes=1, gauge=False)
TARGET = {"easy": 0.2, "medium": 0.3, "hard": 0.5}
"""Shares of the levels in the target that the base model's risk is measured on."""


def problems_of(path: Path, n: int) -> list[Problem]:
    """The first problems of a JSONL file."""
    lines = path.read_text().splitlines()[:n]
    return [
        Problem(prompt=r["prompt"], completion=r["completion"], difficulty=r["difficulty"])
        for r in map(json.loads, lines)
    ]


def train(level: str, budget: int, seed: int, folder: Path, seen: int = SEEN) -> Path:
    """An adapter on `budget` problems of a level, and those problems as a file."""
    data = folder / "train.jsonl"
    # a seed takes problems of its own: the sample's variation is part of what a plan must stand
    lines = (SAMPLE / "data" / f"{level}.jsonl").read_text().splitlines(keepends=True)
    data.write_text("".join(lines[seed * budget : (seed + 1) * budget]))
    if (folder / NOTES).is_file():
        return data
    torch.manual_seed(seed)
    base: Any = AutoModelForCausalLM.from_pretrained(str(BASE), dtype=torch.float32).eval()
    model = attach_adapter(base, seed=0)  # the shipped initial adapter is the prior
    recipe = Recipe(
        epochs=max(1, seen // budget),
        towards_bound=True,
        learning_rate=5e-3,
        kl_weight=1.0,
    )
    tokenizer = PreTrainedTokenizerFast.from_pretrained(str(BASE))
    sigmas = fine_tune(model, tokenizer, problems_of(data, budget), recipe, seed=seed)
    model.peft_config["default"].base_model_name_or_path = str(BASE)
    model.save_pretrained(str(folder), save_embedding_layers=False)
    (folder / NOTES).write_text(json.dumps({"sigma_posterior": sigmas}))
    return data


def tests_of(
    model: Any, certificate: Certificate, n_held_out: int, seed: int
) -> dict[str, Measured]:
    """Risk of the certified posterior on fresh problems of each level, a draw for each problem."""
    sigmas = {group.name: group.sigma_posterior for group in certificate.posterior.groups}
    scorer = Scorer(model=model, losses=(LOSSES["exact"],), batch_size=64, block=1)
    found = {}
    for place, level in enumerate(LEVELS):
        (part,) = read_sample([SAMPLE / "data" / f"{level}.held_out.jsonl"]).strata
        units = part.encode(model.tokenizer, max_length=model.context)[:n_held_out]
        key = NoiseKey(seed=seed, stream=Stream.HELD_OUT, stratum=place)
        (losses,) = scorer.under_noise(units, sigmas, key=key, draw=0)
        found[level] = Measured(mean=float(losses.mean()), n=len(units))
    return found


def base_risks(n_held_out: int) -> dict[str, float]:
    """Exact-match risk of the base model on each level's held-out problems."""
    model: Any = AutoModelForCausalLM.from_pretrained(str(BASE), dtype=torch.float32).eval()
    tokenizer = PreTrainedTokenizerFast.from_pretrained(str(BASE))
    return {
        level: 1
        - exact_match(
            model, tokenizer, problems_of(SAMPLE / "data" / f"{level}.held_out.jsonl", n_held_out)
        )
        for level in LEVELS
    }


def make_run(
    level: str,
    budget: int,
    seed: int,
    folder: Path,
    base_target: Measured,
    n_held_out: int,
    seen: int = SEEN,
) -> Run:
    """Trains, certifies and tests one fine-tune."""
    folder.mkdir(parents=True, exist_ok=True)
    data = train(level, budget, seed, folder, seen)
    model = open_fine_tuned(OpenOptions(checkpoint=folder, prior=SAMPLE / "initial_adapter"))
    # the noise that was trained, not another with a smaller bound and a larger risk
    write_posterior(folder / POSTERIOR, model, model.suggested_noise)
    model = with_posterior(model, folder / POSTERIOR)
    settings = replace(SETTINGS, seed=seed)
    (certificate,) = certify(model, read_sample([data]), settings, posterior_folder=folder)
    certificate.write(folder / "certificate.json")
    (stratum,) = certificate.strata
    problems = problems_of(data, budget)
    run = Run(
        base="sample-base",
        base_strength=1 - base_target.mean,
        difficulty=sum(problem.difficulty for problem in problems) / budget,
        train_weights={level: 1.0},
        budget=budget,
        seed=seed,
        loss=certificate.loss.name,
        delta=certificate.delta.total,
        kl=certificate.kl,
        empirical_risk=stratum.empirical_risk,
        empirical_risk_bound=stratum.empirical_risk_bound,
        risk_bound=stratum.risk_bound,
        tests=tests_of(model, certificate, n_held_out, seed),
        target=None,
        base_target=base_target,
    )
    run.write(folder / "run.json")
    return run


def main() -> None:
    """Makes the runs that are not there yet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--budgets", default="1000,2000,4000")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--held-out", type=int, default=1000)
    arguments = parser.parse_args()
    budgets = [int(text) for text in arguments.budgets.split(",")]
    if arguments.seeds * max(budgets) > SHIPPED.n:
        parser.error(f"the sample has {SHIPPED.n} problems a level, too few for all these seeds")
    risks = base_risks(arguments.held_out)
    risk = sum(TARGET[level] * risks[level] for level in LEVELS)
    base_target = Measured(mean=risk, n=arguments.held_out)
    runs = []
    for seed, budget, level in itertools.product(range(arguments.seeds), budgets, LEVELS):
        folder = arguments.out / f"{level}-{budget}-{seed}"
        started = time.process_time()
        if (folder / "run.json").is_file():
            runs.append(Run.read(folder / "run.json"))
            continue
        runs.append(make_run(level, budget, seed, folder, base_target, arguments.held_out))
        seconds = time.process_time() - started
        print(f"{folder.name}: {seconds:.0f} CPU s, {runs[-1]}", flush=True)
    lines = [json.dumps(run.to_dict()) + "\n" for run in runs]
    (arguments.out / "runs.jsonl").write_text("".join(lines))


if __name__ == "__main__":
    main()
