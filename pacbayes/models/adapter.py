"""Opening a LoRA adapter on its base model, compared with the adapter before training."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pacbayes.errors import InputError, refusing
from pacbayes.models import folder as folders
from pacbayes.models.adapter_config import check_adapter_config, initialisation, lora_options
from pacbayes.models.draw_mode import noise_of
from pacbayes.models.fine_tuned import FineTuned
from pacbayes.models.loading import (
    NOTES,
    PRIOR_NOISE,
    TRAINED_SET,
    OpenOptions,
    Source,
    context_of,
    load_model,
    load_tokenizer,
    noise_learned_with,
    read_notes,
    same_tensors,
    source_of,
    suggested_sigmas,
)

_DATA_FREE_INITS = (True, False, "gaussian", "orthogonal")


def open_adapter(options: OpenOptions) -> FineTuned:
    """The adapter's posterior is centred at its factors, its prior at those before training.

    Raises:
        InputError: See `open_fine_tuned`.
    """
    config, tensors = read_adapter(options)
    _check_adapter_init(config, options)
    base_folder = base_folder_of(config, options)
    notes = read_notes(options.checkpoint)
    base = load_model(base_folder, options)
    tokenizer = load_tokenizer(options.checkpoint, base_folder, base)
    model = load_adapter(base, config, tensors, options)
    factors = _factors(model, tensors, options.checkpoint)
    initial = _initial_adapter(notes, options)
    source = source_of(base_folder, options)
    before, prior, assumptions = _adapter_prior(tensors, initial, source, options)
    changed = {
        k: m for k, m in factors.items() if not torch.equal(m.weight.cpu().float(), before[k])
    }
    if not changed:
        raise InputError(
            "is equal to the initial adapter in every tensor: nothing was trained.",
            path=options.checkpoint,
        )
    model = options.place(model)
    parameters = {name: module.weight for name, module in changed.items()}
    noted = noise_learned_with(initial, changed)
    return FineTuned(
        model=model,
        tokenizer=tokenizer,
        context=context_of(base),
        kind="adapter",
        noise=noise_of(model, parameters, options.draw_mode),
        prior_centre={k: before[k] for k in changed},
        relative_scales=noted or factor_scales(changed),
        suggested_noise=suggested_sigmas(options.checkpoint, changed),
        posterior=source_of(options.checkpoint, options),
        prior=prior,
        base=source,
        assumptions=(*assumptions, *([PRIOR_NOISE] if noted else []), TRAINED_SET),
    )


def read_adapter(options: OpenOptions) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Configuration and factors of an adapter, which belong together.

    Raises:
        InputError: They cannot be read, or are not of a plain LoRA adapter.
    """
    config = folders.read_json(options.checkpoint / folders.ADAPTER_CONFIG)
    tensors = folders.read_tensors(options.checkpoint, allow_pickle=options.allow_pickle)
    check_adapter_tensors(tensors, options.checkpoint)
    check_adapter_config(config, tensors, options.checkpoint)
    return config, tensors


def factor_scales(factors: Mapping[str, nn.Linear]) -> dict[str, float]:
    """Each factor's own scale in the prior: that of A's usual initial values, 1/√(3 fan-in)."""
    return {name: (3 * module.in_features) ** -0.5 for name, module in factors.items()}


def _check_adapter_init(config: Mapping[str, Any], options: OpenOptions) -> None:
    init = initialisation(config)
    if init not in _DATA_FREE_INITS and options.prior is None:
        raise InputError(
            f"`init_lora_weights` is {init!r}, which looks at data; give the initial adapter, "
            "made from data disjoint from the certification data, as --prior.",
            path=options.checkpoint / folders.ADAPTER_CONFIG,
        )


def check_adapter_tensors(tensors: Mapping[str, Tensor], checkpoint: Path) -> None:
    """Every tensor is a LoRA factor, and every factor has its partner."""
    for name in sorted(tensors):
        if ".lora_A.weight" not in name and ".lora_B.weight" not in name:
            raise InputError(
                f"the tensor {name!r} was trained but is no LoRA factor, so it is not covered by "
                "the posterior (modules_to_save, biases, DoRA and embeddings are not supported).",
                path=checkpoint,
            )
        a, b = ".lora_A.", ".lora_B."
        partner = name.replace(a, b) if a in name else name.replace(b, a)
        if partner not in tensors:
            raise InputError(f"has {name!r} but lacks {partner!r}.", path=checkpoint)


def base_folder_of(config: Mapping[str, Any], options: OpenOptions) -> Path:
    """The folder of an adapter's base: the one given, else the one that its config names."""
    if options.base is not None:
        folder = options.base
    else:
        named, path = config.get("base_model_name_or_path"), options.checkpoint
        if not isinstance(named, str) or not named:
            raise InputError(
                "names no base model; give its folder as --base.",
                path=path / folders.ADAPTER_CONFIG,
            )
        beside = path / named
        folder = beside if folders.is_folder(beside) else Path(named)
        if not folders.is_folder(folder):
            raise InputError(
                f"names the base model {named[:200]!r}, which is no folder here; download it and "
                "give its folder as --base (nothing is fetched over the network).",
                path=path / folders.ADAPTER_CONFIG,
            )
    if folders.config_name(folder) != folders.FULL_CONFIG:
        raise InputError("is an adapter; the base must be a full model.", path=folder)
    return folder


def load_adapter(
    base: nn.Module, config: Mapping[str, Any], tensors: Mapping[str, Tensor], options: OpenOptions
) -> nn.Module:
    """The base with an adapter on it, all of whose tensors are those given."""
    from peft import (
        LoraConfig,
        get_peft_model,
        get_peft_model_state_dict,
        set_peft_model_state_dict,
    )

    what = "does not fit the base model; is it the base it was trained on?"
    with refusing(what, path=options.checkpoint):
        lora = LoraConfig(**lora_options(config, tensors), inference_mode=True)
        model = get_peft_model(base, lora)
    expected = get_peft_model_state_dict(model)
    same_tensors(tensors, expected, options.checkpoint, "the model that its config describes")
    with refusing(what, path=options.checkpoint):
        set_peft_model_state_dict(model, dict(tensors))
    return model.eval()


def _factors(
    model: nn.Module, tensors: Mapping[str, Tensor], checkpoint: Path
) -> dict[str, nn.Linear]:
    modules = dict(model.named_modules())
    factors: dict[str, nn.Linear] = {}
    for name in sorted(tensors):
        module = modules.get(name.removesuffix(".weight") + ".default")
        if not isinstance(module, nn.Linear) or module.bias is not None:
            raise InputError(f"{name!r} is not a linear LoRA factor.", path=checkpoint)
        factors[name] = module
    return factors


def _initial_adapter(notes: Mapping[str, Any], options: OpenOptions) -> Path | None:
    if options.prior is not None:
        return options.prior
    named = notes.get("initial_adapter")
    if not isinstance(named, (str, type(None))):
        raise InputError(
            "`initial_adapter` must be the path of a folder.", path=options.checkpoint / NOTES
        )
    return None if named is None else options.checkpoint / named


def _adapter_prior(
    tensors: Mapping[str, Tensor], initial: Path | None, base: Source, options: OpenOptions
) -> tuple[dict[str, Tensor], Source, tuple[str, ...]]:
    """The prior's centre: the adapter before training, or the base itself where none was kept."""
    base_fixed = "The base model's weights were fixed without the certification data."
    if initial is None:
        before = {name: torch.zeros(tensor.shape) for name, tensor in tensors.items()}
        return before, base, (base_fixed,)
    if folders.config_name(initial) != folders.ADAPTER_CONFIG:
        raise InputError(
            "is a full model, but the prior of an adapter is the adapter before training; the "
            "base model goes to --base.",
            path=initial,
        )
    read = folders.read_tensors(initial, allow_pickle=options.allow_pickle)
    same_tensors(tensors, read, options.checkpoint, str(initial))
    before = {name: tensor.float() for name, tensor in read.items()}
    made = "The prior's adapter was made without looking at any of the certification data."
    return before, source_of(initial, options), (base_fixed, made)
