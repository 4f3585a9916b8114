"""Enclosures of the bounds on weighted sums of strata's risks, at the multiplier that was found."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np
from flint import arb
from numpy.typing import ArrayLike

from pacbayes.bounds.enclosures.balls import Ball, divergence, log_xi
from pacbayes.bounds.enclosures.losses import counted
from pacbayes.bounds.mixture_log_wealth import GRID, Strata, best_bet
from pacbayes.bounds.strata import best_multiplier


def _joint_kl(
    *,
    coefficients: ArrayLike,
    empirical_risk: ArrayLike,
    kl: float,
    n: ArrayLike,
    delta: float,
) -> Ball:
    a, q, m = (np.asarray(x, dtype=np.float64) for x in (coefficients, empirical_risk, n))
    trivial = sum((arb(x) for x in a.tolist() if x > 0), arb(0))
    scale = float(np.abs(a).max())
    if scale == 0 or math.isinf(kl):
        return trivial
    total = arb(kl) - arb(delta).log() + sum((log_xi(int(x)) for x in m), arb(0))
    tau = arb(best_multiplier(a / scale, q, m, float(total.upper())) * scale)
    value = tau * total
    for x, risk, size in zip(a.tolist(), q.tolist(), m.tolist(), strict=True):
        if x > 0:
            value += _most(arb(x), arb(risk), tau * size)
        elif x < 0:  # x R = x + |x| (1 − R), and kl(q‖R) = kl(1 − q‖1 − R)
            value += x + _most(arb(-x), 1 - arb(risk), tau * size)
    return value.min(trivial)


def _joint_kl_lower(*, coefficients: ArrayLike, **others: object) -> Ball:
    return -_joint_kl(coefficients=-np.asarray(coefficients, dtype=np.float64), **others)  # type: ignore[arg-type]


def _most(a: Ball, q: Ball, m: Ball) -> Ball:
    """Max over R in [0, 1] of a R − m kl(q‖R), for a > 0."""
    if not q < 1:
        return a
    if not q > 0:  # a R + m ln(1 − R)
        risk = (1 - m / a).max(arb(0))
        return a * risk + m * (1 - risk).log()
    # a R² + (m − a) R − m q = 0, in the form in which nothing cancels
    root = ((m - a) ** 2 + 4 * a * m * q).sqrt()
    risk = (root + a - m) / (2 * a) if a > m else 2 * m * q / (root + m - a)
    return a * risk - m * divergence(q, risk)


def _mixture_hoeffding(
    *,
    weights: ArrayLike,
    empirical_risk: ArrayLike,
    kl: float,
    n: ArrayLike,
    delta: float,
    lam: float,
) -> Ball:
    a, q, m = (np.asarray(x, dtype=np.float64).tolist() for x in (weights, empirical_risk, n))
    trivial = sum((arb(x) for x in a if x > 0), arb(0))
    if math.isinf(kl):
        return trivial
    value = (arb(kl) - arb(delta).log()) / lam
    for x, risk, size in zip(a, q, m, strict=True):
        value += arb(x) * risk + lam * arb(x) ** 2 / (8 * arb(size))
    return value.min(trivial)


def _mixture_log_wealth(
    *,
    weights: ArrayLike,
    losses: Sequence[ArrayLike],
    kl: float,
    delta: float,
    grid: ArrayLike = GRID,
) -> Ball:
    strata = Strata.of(weights, losses)
    t = strata.weights.tolist()
    trivial = sum((arb(x) for x in t), arb(0))
    if math.isinf(kl):
        return trivial
    best = best_bet(strata, kl, delta, grid)
    mu = arb(best.mu)
    total = arb(kl) + arb(int(np.size(grid))).log() - arb(delta).log()
    gain = arb(0)
    for weight, values, bet in zip(t, losses, strata.bets(best.lam).tolist(), strict=True):
        if weight == 0:
            continue
        shares, n = counted(values, None)
        total -= n * sum((share * (1 - bet * arb(x)).log() for x, share in shares), arb(0))
        # t R + μ n ln(1 − λ R) is largest at R = (1 − μ n λ/t)/λ, or at an end of [0, 1]
        risk = ((1 - mu * n * bet / weight) / bet).max(arb(0)).min(arb(1))
        gain += weight * risk + mu * n * (1 - bet * risk).log()
    return (gain + mu * total).min(trivial)


ENCLOSURES: Mapping[str, Callable[..., Ball]] = MappingProxyType(
    {
        "joint_kl": _joint_kl,
        "joint_kl_lower": _joint_kl_lower,
        "mixture_hoeffding": _mixture_hoeffding,
        "mixture_log_wealth": _mixture_log_wealth,
    }
)
