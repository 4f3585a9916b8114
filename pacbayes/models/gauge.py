"""Other factors of the same LoRA update: the function depends on B A alone, the KL on B and A.

For every invertible G the factors G A and B G⁻¹ have the same product. Where the posterior may be
centred is free, so it may be centred at those nearest the prior.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pacbayes.models.fine_tuned import FineTuned

_Matrix = NDArray[np.float64]


def gauges(model: FineTuned) -> Mapping[str, dict[str, Tensor]]:
    """Centres with the same products as the checkpoint's, by name.

    `balanced` has the least ‖A‖²/c_A² + ‖B‖²/c_B², c the prior's relative scales; `nearest` the
    least squared distance to the prior's centre in the same units. Layers of which only one factor
    carries noise are left alone.

    Returns:
        New values of the covered factors; empty if there is no layer with two.
    """
    balanced: dict[str, Tensor] = {}
    nearest: dict[str, Tensor] = {}
    for a_name, b_name in _pairs(model):
        a, b, a0, b0 = (
            tensor.detach().double().cpu().numpy()
            for tensor in (
                model.noise.tensors[a_name],
                model.noise.tensors[b_name],
                model.prior_centre[a_name],
                model.prior_centre[b_name],
            )
        )
        scales = model.relative_scales[a_name], model.relative_scales[b_name]
        for found, centre in (
            (balance(a, b, *scales), balanced),
            (approach(a, b, a0, b0, *scales), nearest),
        ):
            centre[a_name], centre[b_name] = map(torch.from_numpy, found)
    if not balanced:
        return MappingProxyType({})
    return MappingProxyType({"balanced": balanced, "nearest": nearest})


def balance(a: _Matrix, b: _Matrix, a_scale: float, b_scale: float) -> tuple[_Matrix, _Matrix]:
    """The factors of B A with the least ‖A‖²/a_scale² + ‖B‖²/b_scale².

    With B A = U S Vᵀ they are √S Vᵀ and U √S, up to the ratio of the scales, and the least value is
    twice the nuclear norm over the product of the scales.

    Args:
        a: A, shape (rank, inputs).
        b: B, shape (outputs, rank).
        a_scale: Unit of A's entries.
        b_scale: Unit of B's entries.
    """
    left, left_triangle = np.linalg.qr(b)
    right, right_triangle = np.linalg.qr(a.T)
    u, s, v = np.linalg.svd(left_triangle @ right_triangle.T)
    ratio = np.sqrt(a_scale / b_scale)
    root = np.sqrt(s)
    return ratio * root[:, None] * (v @ right.T), (left @ u) * root / ratio


def approach(
    a: _Matrix, b: _Matrix, a0: _Matrix, b0: _Matrix, a_scale: float, b_scale: float
) -> tuple[_Matrix, _Matrix]:
    """The factors of B A nearest (A₀, B₀): the least of a search over G from two starts.

    Never farther than the given factors; shapes and scales as `balance`.
    """
    from scipy.optimize import minimize

    rank = len(a)
    gram_a, cross_a = a @ a.T, a0 @ a.T
    gram_b, cross_b = b.T @ b, b.T @ b0

    def distance(flat: _Matrix) -> tuple[float, _Matrix]:
        g = flat.reshape(rank, rank)
        if not np.linalg.cond(g) < 1e12:
            return 1e300, np.zeros_like(flat)
        h = np.linalg.inv(g)
        of_a = ((g @ gram_a - 2 * cross_a) * g).sum() / a_scale**2
        of_b = ((gram_b @ h - 2 * cross_b) * h).sum() / b_scale**2
        slope = 2 * (g @ gram_a - cross_a) / a_scale**2
        slope -= 2 * h.T @ (gram_b @ h - cross_b) @ h.T / b_scale**2
        return float(of_a + of_b), slope.ravel()

    same = np.eye(rank)
    starts = (same, balance(a, b, a_scale, b_scale)[0] @ np.linalg.pinv(a))
    searched = (minimize(distance, g.ravel(), jac=True, method="L-BFGS-B").x for g in starts)
    best = min((same.ravel(), *searched), key=lambda flat: distance(flat)[0]).reshape(rank, rank)
    return best @ a, np.linalg.solve(best.T, b.T).T


def _pairs(model: FineTuned) -> Iterator[tuple[str, str]]:
    for name in model.noise.tensors:
        partner = name.replace(".lora_A.", ".lora_B.")
        if partner != name and partner in model.noise.tensors:
            yield name, partner
