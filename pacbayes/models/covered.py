"""Which tensors of a model in training a posterior covers, and where its prior is centred."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from pacbayes.errors import InputError
from pacbayes.models import folder as folders
from pacbayes.models.adapter import factor_scales
from pacbayes.models.draw_mode import noise_of
from pacbayes.models.full import root_mean_squares
from pacbayes.models.noise import Noise


def covered_tensors(model: nn.Module, *, train_a: bool) -> tuple[Noise, dict[str, float]]:
    """The noise over all trainable parameters, and their scales in the prior.

    Args:
        model: A PEFT model or a plain one.
        train_a: Whether `lora_A` factors may be trained; they are frozen otherwise.

    Raises:
        InputError: There is none, or noise cannot reach one.
    """
    if not hasattr(model, "peft_config"):
        trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
        _refuse_nothing(trained)
        return _noise_on(model, trained), root_mean_squares(trained, trained)
    if not train_a:
        for name, parameter in model.named_parameters():
            if ".lora_A." in name:
                parameter.requires_grad_(False)
    factors = lora_factors(model)
    reached = {id(module.weight) for module in factors.values()}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad and id(parameter) not in reached:
            raise InputError(
                f"the parameter {name!r} is trained but is no linear LoRA factor: no noise can "
                "reach it, so its KL would be infinite."
            )
    _refuse_nothing(factors)
    weights = {name: module.weight for name, module in factors.items()}
    return _noise_on(model, weights), factor_scales(factors)


def _noise_on(model: nn.Module, tensors: Mapping[str, Tensor]) -> Noise:
    """A draw for each row where the model allows it; found out without dropout."""
    training = [module for module in model.modules() if module.training]
    try:
        return noise_of(model.eval(), tensors, "auto")
    finally:
        for module in training:
            module.training = True


def lora_factors(model: nn.Module) -> dict[str, nn.Linear]:
    """Trainable LoRA factors of a PEFT model's adapter, named as in its safetensors file."""
    ending = f".{model.active_adapter}"
    return {
        name.removesuffix(ending) + ".weight": module
        for name, module in sorted(model.named_modules())
        if name.endswith((f".lora_A{ending}", f".lora_B{ending}"))
        and isinstance(module, nn.Linear)
        and module.bias is None
        and module.weight.requires_grad
    }


def _refuse_nothing(covered: Mapping[str, object]) -> None:
    if not covered:
        raise InputError("the model has no trainable parameter.")


def centre_of_prior(
    covered: Mapping[str, Tensor], prior: Mapping[str, Tensor] | str | Path | None
) -> dict[str, Tensor]:
    """The prior's mean of each covered tensor: given, in a folder, or the present values.

    Raises:
        InputError: A tensor is missing, of another shape, or not finite.
    """
    if prior is None:
        return {name: tensor.detach().clone() for name, tensor in covered.items()}
    given = prior if isinstance(prior, Mapping) else folders.read_tensors(Path(prior))
    for name, tensor in covered.items():
        if name not in given:
            raise InputError(f"the prior lacks the tensor {name!r}.")
        if given[name].shape != tensor.shape:
            raise InputError(
                f"the prior's tensor {name!r} has shape {list(given[name].shape)}, the model's "
                f"{list(tensor.shape)}."
            )
        if not bool(torch.isfinite(given[name]).all()):
            raise InputError(f"the prior's tensor {name!r} holds NaN or infinity.")
    return {name: given[name].detach().clone().to(t.dtype) for name, t in covered.items()}
