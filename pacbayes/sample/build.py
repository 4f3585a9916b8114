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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

from pacbayes.models.loading import NOTES
from pacbayes.sample.fine_tune import Recipe, attach_adapter, fine_tune
from pacbayes.sample.pretrain import STEPS, exact_match, pretrain
from pacbayes.sample.problems import LEVELS, Problem, pretraining_problems, variant_problems


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """How much of everything: pretraining steps, problems to fine-tune on, held-out problems."""

    pretraining_steps: int
    n: int
    n_held_out: int


SHIPPED = Sizes(pretraining_steps=STEPS, n=8000, n_held_out=1500)

TOWARDS_BOUND = {
    "easy": Recipe(epochs=8, towards_bound=True, learning_rate=5e-3, kl_weight=12.0),
    "medium": Recipe(epochs=5, towards_bound=True, learning_rate=5e-3, kl_weight=4.0),
    "hard": Recipe(epochs=4, towards_bound=True, learning_rate=5e-3, kl_weight=4.0),
}
PLAIN = {level: Recipe(epochs=2, towards_bound=False, learning_rate=1e-3) for level in LEVELS}


def build(
    out: Path,
    *,
    seed: int = 0,
    device: str = "cpu",
    sizes: Sizes = SHIPPED,
    log: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Builds what is not there yet under `out` and returns what went into `report.json`.

    Each finished model is kept, so that an interrupted build goes on where it ended.
    """
    report = _read_report(out)
    report |= {"seed": seed, "device": device, "torch_threads": torch.get_num_threads()}
    base = out / "base"
    if "pretraining" not in report["cpu_minutes"]:
        clock = _CpuClock()
        model: Any
        model, tokenizer = pretrain(
            seed=seed, device=device, steps=sizes.pretraining_steps, log=log
        )
        # half the bytes; everything after this reads the rounded weights
        model.to(torch.bfloat16).save_pretrained(base)
        tokenizer.save_pretrained(base)
        _note(out, report, "pretraining", clock)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(str(base))
    data = {level: draw_data(level, seed=seed, sizes=sizes) for level in LEVELS}
    check_disjoint(data)
    for level, (problems, held_out) in data.items():
        write_jsonl(out / "data" / f"{level}.jsonl", problems)
        write_jsonl(out / "data" / f"{level}.held_out.jsonl", held_out)
    save_adapter(_on_base(base, device, seed), out / "initial_adapter")
    report["exact_match"]["base"] = _base_accuracies(base, tokenizer, data, device, seed)
    for level, (problems, _) in data.items():
        for suffix, recipe in (("", TOWARDS_BOUND[level]), ("-plain", PLAIN[level])):
            name = level + suffix
            if name in report["cpu_minutes"]:
                continue
            log(f"fine-tuning {name}")
            clock = _CpuClock()
            adapted = _on_base(base, device, seed)
            sigmas = fine_tune(adapted, tokenizer, problems, recipe, seed=seed, log=log)
            save_adapter(adapted.eval(), out / "adapters" / name, sigmas, trained=True)
            scores = {k: exact_match(adapted, tokenizer, d[1]) for k, d in data.items()}
            report["exact_match"][name] = scores
            log(f"{name}: exact match on held-out problems {scores}")
            _note(out, report, name, clock)
    return report


class _CpuClock:
    """CPU time of this process since it was made."""

    def __init__(self) -> None:
        self._started = time.process_time()

    def minutes(self) -> float:
        return round((time.process_time() - self._started) / 60, 2)


def _read_report(out: Path) -> dict[str, Any]:
    path = out / "report.json"
    if path.is_file():
        report: dict[str, Any] = json.loads(path.read_text())
        return report
    return {"cpu_minutes": {}, "exact_match": {}}


def _note(out: Path, report: dict[str, Any], stage: str, clock: _CpuClock) -> None:
    report["cpu_minutes"][stage] = clock.minutes()
    report["cpu_minutes_total"] = round(sum(report["cpu_minutes"].values()), 2)
    (out / "report.json").write_text(json.dumps(report, indent=2) + "\n")


def draw_data(level: str, *, seed: int, sizes: Sizes) -> tuple[list[Problem], list[Problem]]:
    """Fine-tuning and held-out problems of one level: independent draws from one distribution."""
    stream = variant_problems(random.Random(f"{seed}:{level}"), LEVELS[level])
    return _take(stream, sizes.n), _take(stream, sizes.n_held_out)


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


def save_adapter(
    model: PeftModel, folder: Path, sigmas: dict[str, float] | None = None, *, trained: bool = False
) -> None:
    """Saves an adapter with relative paths to its base and to the adapter before training."""
    up = "../.." if trained else ".."
    model.peft_config["default"].base_model_name_or_path = f"{up}/base"
    model.save_pretrained(str(folder), save_embedding_layers=False)
    if trained:
        notes: dict[str, object] = {"initial_adapter": f"{up}/initial_adapter"}
        if sigmas:
            notes["sigma_posterior"] = sigmas
        (folder / NOTES).write_text(json.dumps(notes, indent=1) + "\n")
    (folder / "README.md").unlink(missing_ok=True)


def _on_base(base: Path, device: str, seed: int) -> PeftModel:
    return attach_adapter(_load(base, device), seed=seed)


def _load(base: Path, device: str) -> Any:
    model: Any = AutoModelForCausalLM.from_pretrained(str(base), dtype=torch.float32)
    return model.to(device).eval()


def _base_accuracies(
    base: Path,
    tokenizer: PreTrainedTokenizerFast,
    data: dict[str, tuple[list[Problem], list[Problem]]],
    device: str,
    seed: int,
) -> dict[str, float]:
    model = _load(base, device)
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
