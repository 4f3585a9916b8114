"""What an adapter's `adapter_config.json` may say: a plain LoRA adapter, as its weights are.

The library that builds the adapter imports modules, copies layers, and matches regular expressions
as a configuration tells it. Only what is checked here gets there.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from torch import Tensor

from pacbayes.errors import InputError
from pacbayes.models import folder as folders

_BASE_CHANGING_INITS = ("pissa", "olora", "loftq", "lora_ga", "corda")
_A, _B = ".lora_A.weight", ".lora_B.weight"
_LONGEST = 1000


def initialisation(config: Mapping[str, Any]) -> Any:
    """How the factors began, in lower case."""
    init = config.get("init_lora_weights", True)
    return init.lower() if isinstance(init, str) else init


def check_adapter_config(
    config: Mapping[str, Any], tensors: Mapping[str, Tensor], checkpoint: Path
) -> None:
    """Checks that an adapter is a LoRA adapter of an unchanged base model, as its factors are.

    Raises:
        InputError: Another kind, an option that is not known to leave a plain LoRA, a field of the
            wrong type, or ranks that are not those of the factors.
    """
    path = checkpoint / folders.ADAPTER_CONFIG
    _check_kind(config, path)
    for field, value in config.items():
        if field in _READ:
            if value is not None and not _READ[field](value):
                raise InputError(f"`{field}` cannot be {_short(value)}.", path=path)
        elif field not in _WITHOUT_EFFECT and _switches(value):
            raise InputError(
                f"`{field}` is {_short(value)}; only plain LoRA adapters can be read.", path=path
            )
    for field in ("r", "target_modules"):
        if config.get(field) is None:
            raise InputError(f"has no `{field}`.", path=path)
    _check_ranks(config, tensors, path)


def _check_kind(config: Mapping[str, Any], path: Path) -> None:
    if config.get("peft_type") != "LORA":
        raise InputError(
            f"`peft_type` is {_short(config.get('peft_type'))}; only LORA adapters can be read.",
            path=path,
        )
    init = initialisation(config)
    if not isinstance(init, (str, bool)):
        raise InputError(f"`init_lora_weights` cannot be {_short(init)}.", path=path)
    if isinstance(init, str) and init.startswith(_BASE_CHANGING_INITS):
        raise InputError(
            f"`init_lora_weights` is {_short(init)}, which also changes the base weights; convert "
            "the adapter to a plain LoRA first.",
            path=path,
        )


def _check_ranks(config: Mapping[str, Any], tensors: Mapping[str, Tensor], path: Path) -> None:
    ranks = {config["r"], *(config.get("rank_pattern") or {}).values()}
    found, widest = set(), 0
    for name, tensor in tensors.items():
        if tensor.dim() != 2 or 0 in tensor.shape:
            raise InputError(
                f"the factor {name!r} has shape {list(tensor.shape)}, and is no matrix.", path=path
            )
        found.add(tensor.shape[0] if name.endswith(_A) else tensor.shape[1])
        widest = max(widest, *tensor.shape)
    # one that no factor has may be there, but must not be built where a factor is missing
    if not found <= ranks or max(ranks) > widest:
        raise InputError(
            f"ranks are {sorted(ranks)} by `r` and `rank_pattern`, but those of the weights are "
            f"{sorted(found)}.",
            path=path,
        )


def lora_options(config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """What is left of a configuration that was checked, as arguments of PEFT's `LoraConfig`.

    Where a pattern says which modules have factors, those that have them take its place: matching
    a pattern can take forever.
    """
    options = {field: config[field] for field in _READ if config.get(field) is not None}
    if any(isinstance(options.get(field), str) for field in _WHERE):
        for field in _WHERE:
            options.pop(field, None)
        options["target_modules"] = sorted(
            name.removeprefix("base_model.model.").removesuffix(_A)
            for name in tensors
            if name.endswith(_A)
        )
    return options


def _short(value: Any) -> str:
    text = ascii(value)
    return text if len(text) <= 100 else f"{text[:100]}…"


def is_plain_pattern(text: Any) -> bool:
    """Whether a regular expression is matched with any name at once.

    It repeats at most twice, no group is repeated, and nothing looks around or back.

    >>> is_plain_pattern("layers.[0-9]+.(q|v)_proj"), is_plain_pattern("(a+)+b")
    (True, False)
    """
    if not isinstance(text, str) or len(text) > _LONGEST or not text.isprintable():
        return False
    bare = re.sub(r"\\\D", "_", text)  # without characters that stand for themselves
    bare = re.sub(r"\[[^]]*\]", "_", bare).replace("(?:", "(")
    around = re.search(r"\(\?|\\|\)[*+{]", bare) is not None
    few = len(re.findall(r"[*+{]", bare)) <= 2 and bare.count("?") <= 2
    try:
        return few and not around and re.compile(text) is not None
    except (re.error, RecursionError, OverflowError):
        return False


def _switches(value: Any) -> bool:
    """Whether an unknown option may be one that is switched on."""
    return value is True or (isinstance(value, (dict, list)) and bool(value))


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 < value < 1 << 31


def _is_scale(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < 1e30 and math.isfinite(value)


def _are(value: Any, good: Callable[[Any], bool]) -> bool:
    return isinstance(value, list) and bool(value) and all(map(good, value))


def _is_place(value: Any) -> bool:
    return type(value) is int and 0 <= value < 1 << 31


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[\w.-]+", value) is not None


def _by_pattern(value: Any, good: Callable[[Any], bool]) -> bool:
    return (
        isinstance(value, dict)
        and all(map(is_plain_pattern, value))
        and all(map(good, value.values()))
    )


def _are_modules(value: Any) -> bool:
    return isinstance(value, str) or _are(value, _is_name)


_READ: Mapping[str, Callable[[Any], bool]] = MappingProxyType(
    {
        "r": _is_count,
        "lora_alpha": _is_scale,
        "target_modules": _are_modules,
        "exclude_modules": lambda value: value == [] or _are_modules(value),
        "layers_to_transform": lambda value: _is_place(value) or _are(value, _is_place),
        "layers_pattern": lambda value: value == [] or _is_name(value) or _are(value, _is_name),
        "rank_pattern": lambda value: _by_pattern(value, _is_count),
        "alpha_pattern": lambda value: _by_pattern(value, _is_scale),
        "use_rslora": lambda value: isinstance(value, bool),
        "fan_in_fan_out": lambda value: isinstance(value, bool),
        "task_type": lambda value: value == "CAUSAL_LM",
    }
)
"""What makes the function that an adapter is, and when a value is of use."""

_WHERE = ("target_modules", "exclude_modules", "layers_to_transform", "layers_pattern")

_WITHOUT_EFFECT = frozenset(
    {
        *("auto_mapping", "inference_mode", "init_lora_weights", "loftq_config", "eva_config"),
        *("corda_config", "lora_ga_config", "runtime_config", "ensure_weight_tying"),
        "base_model_name_or_path",  # read apart
    }
)
"""What mattered in training alone; so do numbers and texts in fields that are not known."""
