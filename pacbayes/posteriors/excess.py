"""x − ln(1 + x): the variance part of a Gaussian KL, without cancellation."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

CLOSE = 0.25
"""|x| below which x − ln(1 + x) is summed as a series: above, the difference loses 4 bits."""


def excess_near_zero(x: Any) -> Any:
    """h(x) = x − ln(1 + x) for |x| < `CLOSE`, to a few ulps; floats or float64 tensors.

    With z = x/(2 + x), ln(1 + x) = 2 artanh(z) and x − 2z = xz, so h = z (x − 2z² Σ_k z^2k/(2k+3)).
    """
    z = x / (2 + x)
    q = z * z
    series = 0 * q
    for k in reversed(range(9)):  # z² < 0.0205: the tenth term is below 1e-17 of the sum
        series = 1 / (2 * k + 3) + q * series
    return z * (x - 2 * q * series)


def excess(x: Tensor, ratio: Tensor | None = None) -> Tensor:
    """h(x) = x − ln(1 + x), elementwise, to a few ulps.

    Args:
        x: More than −1, float64.
        ratio: 1 + x, where that is known better than by adding.
    """
    far = x - torch.log1p(x) if ratio is None else x - ratio.log()
    return torch.where(x.abs() < CLOSE, excess_near_zero(x), far)
