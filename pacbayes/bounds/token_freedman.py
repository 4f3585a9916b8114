"""Losses that depend on each other: a martingale bound for the tokens of documents."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from pacbayes.bounds._complexity import complexity
from pacbayes.bounds._domain import (
    Array,
    FloatOrArray,
    plain,
    require,
    require_between,
    require_delta,
    require_finite,
    require_grid,
    require_losses,
)
from pacbayes.bounds._rounding import CLOSE, risk_up, up
from pacbayes.ledger import DeltaLedger

LARGEST_S = 0.999
"""Nearer to 1 the logarithm would magnify the rounding of A_k."""

GRID = tuple(2.0**-k for k in range(1, 13))
"""The parameters s that are tried, fixed before the sample."""


def token_freedman(
    *,
    losses: ArrayLike,
    predictable: ArrayLike,
    kl: ArrayLike,
    delta: ArrayLike,
    width: float = 1.0,
    grid: ArrayLike = GRID,
) -> FloatOrArray:
    """Upper bound on the mean of what each loss was expected to be, given the past.

    With probability ≥ 1 − δ, for all Q and s in a grid of size K, with v(x) = x − ln(1 + x),

        (1/n) Σ E_Q E[X_k|F_{k−1}] ≤ (1/n) Σ E_Q X_k + Δ C/s + (Δ/(s n)) Σ E_Q v(s A_k),

    C = (KL + ln(K/δ))/n, A_k = (Y_k − X_k)/Δ ≥ −1. As exp(sA − v(sA)) = 1 + sA, the products of
    exp(s(A_k − E[A_k|F_{k−1}]) − v(sA_k)) are supermartingales for each hypothesis; then Markov
    and Donsker–Varadhan, and a union over the grid. Bounds the mean of what was to be expected
    token by token on these documents, not the risk on fresh documents.

    Args:
        losses: X_k in [0, 1], in order: shape (n,) for one hypothesis, (atoms, n) for a posterior
            with equal mass on so many.
        predictable: Y_k, of a shape that broadcasts with `losses`: a guess of X_k that depends on
            what came before token k only, such as the expected loss under the model. X_k may not
            exceed it by more than Δ.
        kl: As `seeger_maurer`; any shape.
        delta: As `seeger_maurer`; any shape that broadcasts with `kl`.
        width: Δ > 0, known beforehand; 1 always does for losses in [0, 1] and Y_k ≥ 0.
        grid: Parameters s in (0, .999), chosen without the sample.

    Returns:
        An upper bound on the mean of the conditional expectations, at most 1.0.

    Raises:
        ValueError: An argument outside its domain, or X_k > Y_k + Δ.

    Reference: after Finzi, Kapoor, Granziol, Gu, De Sa, Kolter & Wilson (2025), Compute-Optimal
    LLMs Provably Generalize Better with Scale, with KL in place of a code length.

    >>> x = [0.1, 0.3, 0.2, 0.2] * 500
    >>> round(token_freedman(losses=x, predictable=[0.2] * 2000, kl=20.0, delta=0.05), 6)
    0.226732
    """
    x, y = require_losses(losses), require_finite(predictable, "predictable")
    try:
        y = np.broadcast_to(y, x.shape)
    except ValueError:
        raise ValueError(
            f"`predictable` must broadcast to the shape of `losses`, got {y.shape} for {x.shape}."
        ) from None
    span = float(require_between(width, "width", 0, math.inf))
    a = (y - x) / span
    require(a >= -1, x, "losses", "be at most `predictable` plus `width`")
    parameters = require_grid(grid, 0, LARGEST_S)
    share = DeltaLedger(require_delta(delta)).split([f"s = {s:g}" for s in parameters])[0]
    cost = complexity(kl, x.shape[-1], share)
    empirical = float(up(math.fsum(x.ravel()) / x.size))
    values = [span * up(cost / s + mean_v(a, float(s)) / s) for s in parameters]
    return plain(risk_up(empirical + np.minimum.reduce(values)))


def mean_v(a: Array, s: float) -> float:
    """The mean of v(sA) ≥ 0 with v(x) = x − ln(1 + x), rounded up, for A ≥ −1 and 0 < s < 1."""
    x = s * a
    # |x| small: x²/2 − x³/3 + … loses digits as a difference
    with np.errstate(divide="ignore"):
        difference = x - np.log1p(x)
    series = np.full_like(x, 1 / 16)
    for k in range(15, 1, -1):
        series = 1 / k - x * series
    near = x * x * series
    v = np.where(np.abs(x) < 0.05, near, np.maximum(difference, 0))
    return float(up(math.fsum(v.ravel()) / v.size, 256 * CLOSE))
