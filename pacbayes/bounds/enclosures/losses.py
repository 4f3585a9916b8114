"""Enclosures of the theorems that take every loss."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from flint import arb
from numpy.typing import ArrayLike

from pacbayes.bounds.betting import GRID as BETS
from pacbayes.bounds.enclosures.balls import (
    Ball,
    least,
    log_kt,
    nats,
)
from pacbayes.bounds.token_freedman import GRID as FREEDMAN_GRID


def counted(losses: ArrayLike, counts: ArrayLike | None) -> tuple[list[tuple[float, Any]], int]:
    """Distinct losses with their shares of the examples, and the number of examples."""
    values = np.asarray(losses, dtype=np.float64)
    if counts is None:
        number = Counter(values.ravel().tolist())
        return [(x, arb(k) / values.size) for x, k in number.items()], values.shape[-1]
    weights = [arb(float(w)) for w in np.asarray(counts, dtype=np.float64)]
    total = sum(weights, arb(0))
    shares = [w / total for w in weights]
    return list(zip(values.tolist(), shares, strict=True)), round(float(total.mid()))


def _mean_log(shares: list[tuple[float, Any]], lam: Ball) -> Ball:
    return sum((share * (1 - lam * x).log() for x, share in shares), arb(0))


def _log_wealth(*, upper: bool) -> Callable[..., Ball]:
    def value(
        *, losses: ArrayLike, kl: float, delta: float, counts: ArrayLike | None = None
    ) -> Ball:
        shares, n = counted(losses, counts)
        if math.isinf(kl):
            return arb(1 if upper else 0)
        cost = nats(kl, n, delta, log_kt(n))
        at = arb(_golden_log(shares, float(cost.mid()), upper=upper))
        return (1 - (_mean_log(shares, at) - cost).exp()) / at

    return value


def _log_wealth_at(*, mean_log: float, lam: float, kl: float, n: int, delta: float) -> Ball:
    if math.isinf(kl):
        return arb(1 if lam > 0 else 0)
    cost = nats(kl, n, delta, log_kt(n))
    return (1 - (arb(mean_log) - cost).exp()) / arb(lam)


def _golden_log(shares: list[tuple[float, Any]], cost: float, *, upper: bool) -> float:
    """A λ with a good log-wealth bound: any λ gives a valid one."""
    values = np.array([x for x, _ in shares])
    weights = np.array([float(share.mid()) for _, share in shares])

    def lam(u: float) -> float:
        return 1 / (1 + math.exp(-u)) if upper else -math.exp(u)

    def risk(u: float) -> float:
        at = lam(u)
        value = -math.expm1(float(np.log1p(-at * values) @ weights) - cost) / at
        return value if upper else -value

    ratio = (math.sqrt(5) - 1) / 2
    low, high = -36.0, 36.0
    inner = [high - ratio * (high - low), low + ratio * (high - low)]
    at_inner = [risk(u) for u in inner]
    while high - low > 1e-8:
        if at_inner[0] < at_inner[1]:
            high, inner[1], at_inner[1] = inner[1], inner[0], at_inner[0]
            inner[0] = high - ratio * (high - low)
            at_inner[0] = risk(inner[0])
        else:
            low, inner[0], at_inner[0] = inner[0], inner[1], at_inner[1]
            inner[1] = low + ratio * (high - low)
            at_inner[1] = risk(inner[1])
    return lam((low + high) / 2)


def _token_freedman(
    *,
    losses: ArrayLike,
    predictable: ArrayLike,
    kl: float,
    delta: float,
    width: float = 1.0,
    grid: Sequence[float] = FREEDMAN_GRID,
) -> Ball:
    x = np.asarray(losses, dtype=np.float64)
    y = np.broadcast_to(np.asarray(predictable, dtype=np.float64), x.shape)
    pairs = Counter(zip(x.ravel().tolist(), y.ravel().tolist(), strict=True))
    mean = sum((k * arb(a) for (a, _), k in pairs.items()), arb(0)) / x.size
    cost = nats(kl, x.shape[-1], delta, arb(len(np.atleast_1d(grid))).log())
    values = []
    for s in np.atleast_1d(grid).tolist():
        total = arb(0)
        for (a, guess), k in pairs.items():
            u = s * (arb(guess) - a) / width
            total += k * (u - (1 + u).log())
        values.append(mean + width * (cost + total / x.size) / s)
    return least(values)


def _test_set_betting(*, upper: bool) -> Callable[..., Ball]:
    def value(*, losses: ArrayLike, delta: float) -> Ball:
        x = np.asarray(losses, dtype=np.float64).ravel()
        number = Counter(x.tolist())
        bets = [arb(float(lam)) for lam in BETS]
        logs = []
        for lam in bets:
            terms = (
                k * (1 - lam * (arb(v) if upper else 1 - arb(v))).log() for v, k in number.items()
            )
            logs.append(sum(terms, arb(0)))

        def wealth(mean: Ball) -> Ball:
            return sum(
                (
                    (log - x.size * (1 - lam * mean).log()).exp()
                    for lam, log in zip(bets, logs, strict=True)
                ),
                arb(0),
            ) / len(bets)

        if wealth(arb(1)) <= 1 / arb(delta):
            crossing = arb(1)
        else:
            low, high = arb(0), arb(1)
            for _ in range(70):
                middle = ((low + high) / 2).mid()
                low, high = (low, middle) if wealth(middle) >= 1 / arb(delta) else (middle, high)
            crossing = low.union(high)
        return crossing if upper else 1 - crossing

    return value


ENCLOSURES: Mapping[str, Callable[..., Ball]] = MappingProxyType(
    {
        "log_wealth": _log_wealth(upper=True),
        "log_wealth_lower": _log_wealth(upper=False),
        "log_wealth_at": _log_wealth_at,
        "log_wealth_at_lower": _log_wealth_at,
        "token_freedman": _token_freedman,
        "test_set_betting": _test_set_betting(upper=True),
        "test_set_betting_lower": _test_set_betting(upper=False),
    }
)
