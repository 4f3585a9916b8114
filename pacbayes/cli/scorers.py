"""From the options of `pacbayes score` to what scores."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pacbayes.cli.bound import DTYPES, prepare
from pacbayes.errors import InputError

if TYPE_CHECKING:
    from pacbayes.difficulty import Layout, Scorer
    from pacbayes.models.plain import PlainModel

_GRADES = ("exact", "answer")


def flag(name: str) -> str:
    """Return the long option of a parameter."""
    return f"--{name.replace('_', '-')}"


def scorer_of(measure: str, given: Mapping[str, Any], data: Path, layout: Layout) -> Scorer:
    """Return the scorer that the options of a measure describe.

    Args:
        measure: The measure.
        given: The options that were given, by the names of the command's parameters.
        data: The file to score.
        layout: Where prompt and completion are.

    Raises:
        InputError: An option is missing, or is no good.
    """
    if measure == "field":
        return _field_scorer(given, data)
    if measure == "tokens":
        from pacbayes.difficulty import by_tokens

        return by_tokens(_needed(given, "tokenizer", measure), layout)
    if measure == "steps":
        return _step_scorer(given, layout)
    if measure == "loss":
        return _loss_scorer(given, layout)
    return _pass_rate_scorer(given, layout)


def _needed(given: Mapping[str, Any], name: str, measure: str) -> Any:
    if name not in given:
        raise InputError(f"--by {measure} needs {flag(name)}.")
    return given[name]


def _field_scorer(given: Mapping[str, Any], data: Path) -> Scorer:
    from pacbayes.difficulty import FieldScorer, scale_of

    name = _needed(given, "field", "field")
    if "orientation" not in given:
        raise InputError(
            f"--orientation must be given: harder if larger values of `{name}` mean harder "
            "records, easier if they mean easier ones, as pass rates and solve rates do."
        )
    marks = tuple(given.get("missing_value", ()))
    labels = tuple(given["labels"].split(",")) if "labels" in given else None
    scale = given.get("scale") or ("labels" if labels else scale_of(data, name, marks))
    if labels and scale != "labels":
        raise InputError(f"--labels needs --scale labels, got {scale!r}.")
    if "rate_of" in given and scale != "rate":
        raise InputError(f"--rate-of needs --scale rate; `{name}` is read as {scale}.")
    return FieldScorer(
        field=name,
        orientation=given["orientation"],
        scale=scale,
        labels=labels,
        missing_marks=marks,
        rate_of=given.get("rate_of"),
    )


def _step_scorer(given: Mapping[str, Any], layout: Layout) -> Scorer:
    from pacbayes.difficulty import by_steps
    from pacbayes.difficulty.length import STEPS

    if ("steps" in given) == ("separator" in given):
        raise InputError("--by steps needs either --steps or --separator.")
    if "separator" in given:
        return by_steps(given["separator"], layout)
    if given["steps"] not in STEPS:
        raise InputError(f"--steps must be one of {', '.join(STEPS)}, got {given['steps']!r}.")
    return by_steps(STEPS[given["steps"]], layout)


def _loss_scorer(given: Mapping[str, Any], layout: Layout) -> Scorer:
    opened = _opened(given, "loss")
    from pacbayes.difficulty.completion_loss import LossScorer

    return LossScorer(model=opened, batch_size=_batch_size(given), layout=layout)


def _pass_rate_scorer(given: Mapping[str, Any], layout: Layout) -> Scorer:
    grade = given.get("grade", "answer")
    if grade not in _GRADES:
        raise InputError(f"--grade must be one of {', '.join(_GRADES)}, got {grade!r}.")
    samples = _at_least_one(given, "samples", 8)
    longest = _at_least_one(given, "max_new_tokens", 1024)
    seed = given.get("seed", 0)
    if not 0 <= seed < 2**64:
        raise InputError(f"--seed must lie in [0, 2**64), got {seed}.")
    temperature, batch_size = _temperature(given, samples), _batch_size(given)
    opened = _opened(given, "pass-rate")
    from pacbayes.difficulty.generation import Generator
    from pacbayes.difficulty.pass_rate import PassRateScorer

    return PassRateScorer(
        generator=Generator(
            model=opened, seed=seed, temperature=temperature, batch_size=batch_size
        ),
        samples=samples,
        longest=longest,
        grade=grade,
        answer_field=given.get("answer_field"),
        layout=layout,
    )


def _temperature(given: Mapping[str, Any], samples: int) -> float:
    if samples == 1:
        if "temperature" in given:
            raise InputError("--samples 1 decodes greedily; leave --temperature out.")
        return 0.0
    temperature: float = given.get("temperature", 1.0)
    if not 0 < temperature < math.inf:
        raise InputError(
            f"--temperature must be positive and finite, got {temperature}; for greedy decoding "
            "give --samples 1."
        )
    return temperature


def _batch_size(given: Mapping[str, Any]) -> int:
    return _at_least_one(given, "batch_size", 32)


def _at_least_one(given: Mapping[str, Any], name: str, default: int) -> int:
    value: int = given.get(name, default)
    if value < 1:
        raise InputError(f"{flag(name)} must be at least 1, got {value}.")
    return value


def _opened(given: Mapping[str, Any], measure: str) -> PlainModel:
    checkpoint = _needed(given, "model", measure)
    dtype = given.get("dtype", "float32")
    if dtype not in DTYPES:
        raise InputError(f"--dtype must be one of {', '.join(DTYPES)}, got {dtype!r}.")
    device = given.get("device", "cpu")
    prepare(device)
    from pacbayes.models.loading import OpenOptions
    from pacbayes.models.plain import open_plain

    return open_plain(
        OpenOptions(
            checkpoint=checkpoint,
            base=given.get("base"),
            device=device,
            dtype=dtype,
            allow_pickle=given.get("allow_pickle", False),
        )
    )
