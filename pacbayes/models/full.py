"""Opening a full checkpoint, compared with its prior tensor by tensor."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from pacbayes.errors import InputError
from pacbayes.models import folder as folders
from pacbayes.models.draw_mode import noise_of
from pacbayes.models.fine_tuned import FineTuned
from pacbayes.models.loading import (
    PRIOR_NOISE,
    TRAINED_SET,
    OpenOptions,
    context_of,
    load_model,
    load_tokenizer,
    noise_learned_with,
    same_tensors,
    source_of,
    suggested_sigmas,
)


def open_full(options: OpenOptions) -> FineTuned:
    """The posterior is centred at the checkpoint's weights, the prior at those of `--prior`.

    Raises:
        InputError: See `open_fine_tuned`.
    """
    if options.prior is None:
        raise InputError(
            "is a full checkpoint and needs a prior: give the folder of the weights that "
            "fine-tuning started from as --prior.",
            path=options.checkpoint,
        )
    if options.base is not None:
        raise InputError("--base is for adapters; give the pretrained weights as --prior.")
    if folders.config_name(options.prior) != folders.FULL_CONFIG:
        raise InputError("is an adapter, but the checkpoint is a full model.", path=options.prior)
    model = load_model(options.checkpoint, options)
    prior = load_model(options.prior, options, spread=False)
    tokenizer = load_tokenizer(options.checkpoint, options.prior, model)
    changed = _changed_parameters(model, prior, options)
    before = dict(prior.named_parameters())
    model = options.place(model)
    noted = noise_learned_with(options.prior, changed)
    return FineTuned(
        model=model,
        tokenizer=tokenizer,
        context=context_of(model),
        kind="full",
        noise=noise_of(model, changed, options.draw_mode),
        prior_centre={k: before[k].detach().cpu() for k in changed},
        relative_scales=noted or root_mean_squares(before, changed),
        suggested_noise=suggested_sigmas(options.checkpoint, changed),
        posterior=source_of(options.checkpoint, options),
        prior=source_of(options.prior, options),
        assumptions=(
            "The prior's weights were fixed without the certification data.",
            *([PRIOR_NOISE] if noted else []),
            TRAINED_SET,
        ),
    )


def _changed_parameters(
    model: nn.Module, prior: nn.Module, options: OpenOptions
) -> dict[str, nn.Parameter]:
    """Parameters that differ; everything else must be equal, because it gets no noise."""
    after, before = dict(model.named_parameters()), dict(prior.named_parameters())
    same_tensors(after, before, options.checkpoint, str(options.prior))
    buffers = dict(prior.named_buffers())
    for name, buffer in model.named_buffers():
        if name not in buffers or not torch.equal(buffer.cpu(), buffers[name]):
            raise InputError(
                f"the buffer {name!r} differs from the prior's and cannot carry noise, which "
                "makes the KL infinite.",
                path=options.checkpoint,
            )
    changed = {k: p for k, p in after.items() if not torch.equal(p.cpu(), before[k])}
    if not changed:
        raise InputError(
            f"is equal to the prior {options.prior} in every tensor; did you give the same "
            "folder twice?",
            path=options.checkpoint,
        )
    return changed


def root_mean_squares(
    before: Mapping[str, Tensor], changed: Mapping[str, Tensor]
) -> dict[str, float]:
    """Each tensor's own scale in the prior; a tensor of zeros takes the mean of the others."""
    own = {k: float(before[k].detach().double().square().mean().sqrt()) for k in changed}
    positive = [v for v in own.values() if v > 0]
    fallback = sum(positive) / len(positive) if positive else 1.0
    return {k: v if v > 0 else fallback for k, v in own.items()}
