"""Trying whether the rows of a batch can have draws of their own in a model."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from pacbayes.errors import InputError
from pacbayes.models.layer_noise import LayerNoise
from pacbayes.posteriors.noise import Draw, NoiseKey, Stream

_LENGTHS = (7, 4, 6)
_RELATIVE_SIGMA = 0.3


@torch.inference_mode()
def check_rows(model: Any, noise: LayerNoise) -> None:
    """Scores three short rows together and alone, under the same draws.

    Args:
        model: A causal language model.
        noise: Noise on its tensors.

    Raises:
        InputError: A covered tensor is used in a way that cannot have noise for each row, or a
            row's scores depend on the other rows, as in a model that mixes them.
    """
    device = next(model.parameters()).device
    generator = torch.Generator().manual_seed(0)
    vocabulary = model.get_input_embeddings().num_embeddings
    ids = torch.randint(vocabulary, (len(_LENGTHS), max(_LENGTHS)), generator=generator).to(device)
    key = NoiseKey(seed=0, stream=Stream.PILOT, stratum=0)
    draws = [Draw(key=key, number=0, unit=unit) for unit in range(len(_LENGTHS))]
    sigmas = {name: _RELATIVE_SIGMA * _scale(tensor) for name, tensor in noise.tensors.items()}
    calm = model(input_ids=ids, use_cache=False).logits
    with noise.applied(draws, sigmas, _LENGTHS):
        together = model(input_ids=ids, use_cache=False).logits
    for row, length in enumerate(_LENGTHS):
        with noise.applied([draws[row]], sigmas, [length]):
            alone = model(input_ids=ids[row : row + 1, :length], use_cache=False).logits[0]
        effect = float((together[row, :length] - calm[row, :length]).abs().max())
        # rounding, in bfloat16 too, is far smaller than the effect of noise as strong as this
        if not float((together[row, :length] - alone).abs().max()) <= 0.2 * effect:
            raise InputError(
                "a row's scores under noise depend on the other rows of its batch, so this "
                "architecture mixes the rows of a batch, which cannot have draws of their own."
            )


def _scale(tensor: Tensor) -> float:
    """Root mean square of a tensor, or 1 for a tensor of zeros."""
    return float(tensor.detach().double().square().mean().sqrt()) or 1.0
