"""The ladder of tightness: what each choice of prior and posterior does to the certificate.

Run ``python benchmarks/ladder.py SUBJECT --out DIR`` for each SUBJECT (easy, hard: LoRA; full:
every weight of the shipped base), then ``python benchmarks/ladder.py figure --out DIR``. What it
has trained and certified is kept in DIR, so that an interrupted run goes on. Each rung is one
certificate (δ = .05, exact loss, one pass of draws) of a predictor whose held-out risk is bounded
beside it from 1,500 problems.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import time
from collections.abc import Sequence
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

from pacbayes.certificate import StratumCertificate
from pacbayes.certify import certify
from pacbayes.data.sample import read_sample
from pacbayes.models.loading import NOTES, OpenOptions
from pacbayes.models.opening import open_fine_tuned
from pacbayes.sample.build import TOWARDS_BOUND
from pacbayes.sample.fine_tune import Recipe, attach_adapter, completion_nll, fine_tune
from pacbayes.sample.pretrain import encode_batch
from pacbayes.sample.problems import Problem
from pacbayes.settings import Settings

SAMPLE = Path(str(files("pacbayes.sample")))
BASE = SAMPLE / "base"
FIRST = 4000
"""Problems of the first half, on which a split prior is trained; the others certify."""

SETTINGS = Settings(passes=1)


# Training


def problems_of(path: Path) -> list[Problem]:
    """The problems of a JSONL file."""
    records = [json.loads(line) for line in path.read_text().splitlines()]
    return [
        Problem(prompt=r["prompt"], completion=r["completion"], difficulty=r["difficulty"])
        for r in records
    ]


def halves(level: str, out: Path) -> tuple[Path, Path]:
    """The two halves of a level's data as files."""
    lines = (SAMPLE / "data" / f"{level}.jsonl").read_text().splitlines(keepends=True)
    found = []
    for name, part in (("first", lines[:FIRST]), ("second", lines[FIRST:])):
        found.append(out / f"{level}.{name}.jsonl")
        found[-1].write_text("".join(part))
    return found[0], found[1]


def save_adapter(model: Any, folder: Path, sigmas: dict[str, float]) -> None:
    """An adapter on the shipped base, with the noise that it learned."""
    model.peft_config["default"].base_model_name_or_path = str(BASE)
    model.save_pretrained(str(folder), save_embedding_layers=False)
    (folder / NOTES).write_text(json.dumps({"sigma_posterior": sigmas}))


def train_split_adapter(level: str, out: Path) -> tuple[Path, Path]:
    """An adapter trained on the first half, and the same after a further epoch on the second."""
    prior, posterior = out / f"{level}-first", out / f"{level}-split"
    if not (posterior / NOTES).is_file():
        first, second = map(problems_of, halves(level, out))
        tokenizer = PreTrainedTokenizerFast.from_pretrained(str(BASE))
        model = attach_adapter(_load(BASE), seed=0)
        recipe = replace(TOWARDS_BOUND[level], epochs=8)  # half of the data
        sigmas = fine_tune(model, tokenizer, first, recipe, seed=0)
        save_adapter(model, prior, sigmas)
        gently = Recipe(epochs=1, towards_bound=False, learning_rate=1e-4)
        fine_tune(model, tokenizer, second, gently, seed=1)
        save_adapter(model, posterior, sigmas)
    return prior, posterior


def train_full(out: Path, *, rate: float, epochs: int) -> dict[str, Path]:
    """Every weight trained on all easy data, on the first half, and on the second after it."""
    folders = {part: out / f"full-{part}" for part in ("all", "first", "split")}
    if not (folders["split"] / "config.json").is_file():
        first, second = map(problems_of, halves("easy", out))
        tokenizer = PreTrainedTokenizerFast.from_pretrained(str(BASE))
        model = _load(BASE)
        _train(model, tokenizer, [*first, *second], rate=rate, epochs=epochs)
        _save(model, tokenizer, folders["all"])
        model = _load(BASE)
        _train(model, tokenizer, first, rate=rate, epochs=2 * epochs)
        _save(model, tokenizer, folders["first"])
        _train(model, tokenizer, second, rate=rate / 30, epochs=1)
        _save(model, tokenizer, folders["split"])
    return folders


def _train(
    model: Any, tokenizer: Any, problems: Sequence[Problem], *, rate: float, epochs: int
) -> None:
    rng, size = random.Random(0), 64
    order = [p for _ in range(epochs) for p in rng.sample(list(problems), len(problems))]
    batches = iter([order[i : i + size] for i in range(0, len(order), size)])
    steps = math.ceil(len(order) / size)
    optimizer = torch.optim.AdamW(model.parameters(), betas=(0.9, 0.98), weight_decay=0.0)
    started = time.monotonic()
    for step in range(steps):
        for group in optimizer.param_groups:
            warm, cool = min(1.0, (step + 1) / 100), 0.5 * (1 + math.cos(math.pi * step / steps))
            group["lr"] = rate * warm * cool
        loss = completion_nll(model, *encode_batch(next(batches), tokenizer))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        if (step + 1) % 250 == 0:
            seconds = time.monotonic() - started
            print(f"step {step + 1}/{steps}: {loss.item():.4f}, {seconds:.0f} s", flush=True)


def _load(folder: Path) -> Any:
    return AutoModelForCausalLM.from_pretrained(str(folder), dtype=torch.float32).eval()


def _save(model: Any, tokenizer: Any, folder: Path) -> None:
    model.eval().save_pretrained(folder)
    tokenizer.save_pretrained(folder)


# Rungs

Rung = tuple[str, dict[str, Any], dict[str, Any]]
"""A name, what to open and read, and changed settings."""


def rungs_of_adapter(level: str, out: Path) -> list[Rung]:
    """From the plain adapter to a prior from half of the data."""
    adapters, initial = SAMPLE / "adapters", SAMPLE / "initial_adapter"
    data = SAMPLE / "data" / f"{level}.jsonl"
    plain = {"checkpoint": adapters / f"{level}-plain", "data": data}
    trained = {"checkpoint": adapters / level, "data": data}
    prior, posterior = train_split_adapter(level, out)
    first, second = halves(level, out)
    split = {"checkpoint": posterior, "prior": prior, "data": second, "prior_data": first}
    zero = {"prior": out / "zero"}
    _zero_adapter(adapters / f"{level}-plain", zero["prior"])
    return [
        ("one scale", plain | zero, {"family": "isotropic", "gauge": False}),
        ("a scale each", plain | zero, {"gauge": False}),
        ("prior at A₀", plain | {"prior": initial}, {"gauge": False}),
        ("gauge", plain | {"prior": initial}, {}),
        ("optimised", plain | {"prior": initial}, {"optimize": 250, "optimize_rate": 0.05}),
        ("trained towards it", trained, {}),
        ("trained, optimised", trained, {"optimize": 300, "optimize_rate": 0.01}),
        ("split prior", split, {}),
        ("split prior, noise alike", split, {"family": "isotropic", "prior_scale": 0.5}),
    ]


def rungs_of_full(out: Path) -> list[Rung]:
    """The same for a full fine-tune, which has no gauge."""
    folders = train_full(out, rate=1e-3, epochs=2)
    first, second = halves("easy", out)
    whole = {
        "checkpoint": folders["all"],
        "prior": BASE,
        "data": SAMPLE / "data" / "easy.jsonl",
    }
    split = {
        "checkpoint": folders["split"],
        "prior": folders["first"],
        "data": second,
        "prior_data": first,
    }
    return [
        ("one scale", whole, {"family": "isotropic"}),
        ("a scale each", whole, {}),
        ("split prior", split, {}),
        ("split prior, noise alike", split, {"family": "isotropic", "prior_scale": 0.02}),
    ]


def _zero_adapter(like: Path, folder: Path) -> None:
    """An adapter of zeros: the prior of somebody who did not keep the initial one."""
    from safetensors.torch import load_file, save_file

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "adapter_config.json").write_bytes((like / "adapter_config.json").read_bytes())
    tensors = load_file(like / "adapter_model.safetensors")
    zeros = {name: torch.zeros_like(tensor) for name, tensor in tensors.items()}
    save_file(zeros, folder / "adapter_model.safetensors", metadata={"format": "pt"})


def climb(rung: Rung, level: str, out: Path) -> dict[str, Any]:
    """Certifies one rung and tells its numbers."""
    name, where, changes = rung
    model = open_fine_tuned(OpenOptions(checkpoint=where["checkpoint"], prior=where.get("prior")))
    prior_data = [where["prior_data"]] if "prior_data" in where else []
    held_out = [SAMPLE / "data" / f"{level}.held_out.jsonl"]
    sample = read_sample([where["data"]], held_out=held_out, prior_data=prior_data)
    started = time.process_time()
    (found,) = certify(
        model, sample, replace(SETTINGS, **changes), posterior_folder=out / "posterior"
    )
    (stratum,) = found.strata
    return {
        "rung": name,
        "n": stratum.n,
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

    found = {path.stem: json.loads(path.read_text()) for path in sorted(out.glob("*.ladder.json"))}
    figure = Figure(figsize=(4.2 * len(found), 4.4), layout="constrained")
    for axes, (name, rungs) in zip(
        figure.subplots(1, len(found), sharey=True, squeeze=False)[0], found.items(), strict=True
    ):
        labels = [rung["rung"] for rung in rungs]
        axes.plot(labels, [rung["bound"] for rung in rungs], "o-", label="certified")
        axes.plot(labels, [rung["held_out_bound"] for rung in rungs], "s--", label="held-out bound")
        axes.plot(labels, [rung["held_out"] for rung in rungs], "x:", label="held-out risk")
        axes.set_title(name.removesuffix(".ladder"))
        axes.tick_params(axis="x", labelrotation=60)
        axes.set_ylim(0, 1)
    figure.axes[0].set_ylabel("risk, exact loss")
    figure.axes[0].legend()
    figure.savefig(out / "ladder.png", dpi=110)


def main() -> None:
    """Climbs one subject's ladder, or draws all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("subject", choices=["easy", "hard", "full", "figure"])
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    subject, out = arguments.subject, arguments.out
    out.mkdir(parents=True, exist_ok=True)
    if subject == "figure":
        draw(out)
        return
    path = out / f"{subject}.ladder.json"
    done = json.loads(path.read_text()) if path.is_file() else []
    level = subject if subject in ("easy", "hard") else "easy"
    rungs = rungs_of_adapter(level, out) if level == subject else rungs_of_full(out)
    for rung in rungs:
        if rung[0] in [old["rung"] for old in done]:
            continue
        done.append(climb(rung, level, out / subject / rung[0].replace(" ", "-")))
        print(json.dumps(done[-1], ensure_ascii=False), flush=True)
        path.write_text(json.dumps(done, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
