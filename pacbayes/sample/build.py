"""Rebuilds the shipped sample from a seed: ``python -m pacbayes.sample.build --out DIR``.

Writes the base model, the LoRA adapter before training, six fine-tuned adapters (each level once
towards the bound and once plainly), the fine-tuning and held-out problems, and `report.json` with
every accuracy and the CPU time.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

from pacbayes.models.fine_tuned import NOTES
from pacbayes.sample.fine_tune import Recipe, attach_adapter, fine_tune
from pacbayes.sample.pretrain import STEPS, exact_match, pretrain
from pacbayes.sample.problems import LEVELS, Problem, pretraining_problems, variant_problems

N_FINE_TUNING = 8000
N_HELD_OUT = 2000

TOWARDS_BOUND = {
    "easy": Recipe(epochs=6, towards_bound=True, learning_rate=2e-3),
    "medium": Recipe(epochs=5, towards_bound=True, learning_rate=2e-3),
    "hard": Recipe(epochs=5, towards_bound=True, learning_rate=2e-3),
}
PLAIN = Recipe(epochs=2, towards_bound=False, learning_rate=1e-3)


def build(
    out: Path,
    *,
    seed: int = 0,
    device: str = "cpu",
    pretraining_steps: int = STEPS,
    n: int = N_FINE_TUNING,
    n_held_out: int = N_HELD_OUT,
    log: Callable[[str], None] = print,
) -> dict[str, object]:
    """Builds everything under `out` and returns what went into `report.json`."""
    started = time.process_time()
    base = out / "base"
    if not (base / "config.json").is_file():
        model, tokenizer = pretrain(seed=seed, device=device, steps=pretraining_steps, log=log)
        model.save_pretrained(base)
        tokenizer.save_pretrained(base)
    cpu_minutes = {"pretraining": (time.process_time() - started) / 60}
    tokenizer = PreTrainedTokenizerFast.from_pretrained(base)
    data = {level: draw_data(level, seed=seed, n=n, n_held_out=n_held_out) for level in LEVELS}
    check_disjoint(data)
    for level, (problems, held_out) in data.items():
        write_jsonl(out / "data" / f"{level}.jsonl", problems)
        write_jsonl(out / "data" / f"{level}.held_out.jsonl", held_out)
    _on_base(base, device, seed).save_pretrained(out / "initial_adapter")
    accuracy: dict[str, object] = {"base": _base_accuracies(base, tokenizer, data, device, seed)}
    for level, (problems, _) in data.items():
        for kind, recipe in (("bound", TOWARDS_BOUND[level]), ("plain", PLAIN)):
            since = time.process_time()
            name = f"{level}-{kind}"
            model = _on_base(base, device, seed)
            log(f"fine-tuning {name}")
            sigmas = fine_tune(model, tokenizer, problems, recipe, seed=seed, log=log)
            save_adapter(model, out / name, sigmas)
            model.eval()
            accuracy[name] = {k: exact_match(model, tokenizer, d[1]) for k, d in data.items()}
            cpu_minutes[name] = (time.process_time() - since) / 60
            log(f"{name}: exact match on held-out problems {accuracy[name]}")
    report: dict[str, object] = {
        "seed": seed,
        "device": device,
        "exact_match": accuracy,
        "cpu_minutes": cpu_minutes,
        "cpu_minutes_total": (time.process_time() - started) / 60,
    }
    (out / "report.json").write_text(json.dumps(report, indent=2) + "\n")
    return report


def draw_data(
    level: str, *, seed: int, n: int, n_held_out: int
) -> tuple[list[Problem], list[Problem]]:
    """Fine-tuning and held-out problems of one level: independent draws from one distribution."""
    stream = variant_problems(random.Random(f"{seed}:{level}"), LEVELS[level])
    return _take(stream, n), _take(stream, n_held_out)


def check_disjoint(data: dict[str, tuple[list[Problem], list[Problem]]]) -> None:
    """Refuses a problem that is in two of the files, or twice in one.

    None can be in pretraining: `Problem.for_fine_tuning` keeps the two sides apart.
    """
    seen: set[str] = set()
    for problems, held_out in data.values():
        for problem in (*problems, *held_out):
            if problem.prompt in seen or not problem.for_fine_tuning:
                raise RuntimeError(f"problem drawn twice: {problem.prompt}; take another seed")
            seen.add(problem.prompt)


def write_jsonl(path: Path, problems: list[Problem]) -> None:
    """One problem a line: prompt, completion, difficulty."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = (
        json.dumps(
            {"prompt": p.prompt, "completion": p.completion, "difficulty": p.difficulty},
            separators=(",", ":"),
        )
        for p in problems
    )
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def save_adapter(model: PeftModel, folder: Path, sigmas: dict[str, float]) -> None:
    """Saves an adapter with a relative path to its base and notes for certification."""
    model.peft_config["default"].base_model_name_or_path = "../base"
    model.save_pretrained(folder)
    notes: dict[str, object] = {"initial_adapter": "../initial_adapter"}
    if sigmas:
        notes["sigma_posterior"] = sigmas
    (folder / NOTES).write_text(json.dumps(notes, indent=1) + "\n")
    (folder / "README.md").unlink(missing_ok=True)


def _on_base(base: Path, device: str, seed: int) -> PeftModel:
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32).to(device)
    model = attach_adapter(model, seed=seed)
    model.peft_config["default"].base_model_name_or_path = "../base"
    return model


def _base_accuracies(
    base: Path,
    tokenizer: PreTrainedTokenizerFast,
    data: dict[str, tuple[list[Problem], list[Problem]]],
    device: str,
    seed: int,
) -> dict[str, float]:
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32).to(device).eval()
    result = {}
    for level, operations in LEVELS.items():
        known = _take(pretraining_problems(random.Random(f"{seed}:base"), operations), 1000)
        result[f"{level}, known operators"] = exact_match(model, tokenizer, known)
        result[f"{level}, variant"] = exact_match(model, tokenizer, data[level][1])
    return result


def _take(stream: Iterator[Problem], n: int) -> list[Problem]:
    return list(itertools.islice(stream, n))


def main() -> None:
    """Command line of the script."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    build(arguments.out, seed=arguments.seed, device=arguments.device)


if __name__ == "__main__":
    main()
