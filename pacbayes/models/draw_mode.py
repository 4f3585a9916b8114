"""Which way posterior noise is put into a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pacbayes.errors import InputError
from pacbayes.models.layer_noise import LayerNoise
from pacbayes.models.noise import Noise, WeightNoise
from pacbayes.models.row_check import check_rows

DrawMode = Literal["auto", "example", "block"]
"""A draw for each example; or one for each fixed mini-batch, written into the weights; `auto` takes
the first where the model allows it."""


def noise_of(model: Any, parameters: Mapping[str, Any], mode: DrawMode) -> Noise:
    """Noise on some parameters of a model that is where it will run.

    Raises:
        InputError: `mode` is `example`, and the model mixes the rows of a batch or uses a parameter
            in a way that cannot have noise for each row.
    """
    if mode == "block":
        return WeightNoise(parameters)
    noise = LayerNoise(parameters)
    try:
        check_rows(model, noise)
    except InputError:
        if mode == "example":
            raise
        return WeightNoise(parameters)
    return noise
