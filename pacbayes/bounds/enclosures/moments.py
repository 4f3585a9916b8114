"""Enclosures of the theorems that know the losses by their mean or moments."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from flint import arb

from pacbayes.bounds.catoni_grid import GRID as CATONI_GRID
from pacbayes.bounds.enclosures.balls import (
    Ball,
    kl_lower,
    kl_upper,
    least,
    log_2sqrtn,
    log_kt,
    log_xi,
    nats,
    whole_above,
)
from pacbayes.bounds.tolstikhin_seldin import GRID_RATIO


def _with_kl(log_constant: Callable[[int], Ball], *, upper: bool) -> Callable[..., Ball]:
    invert = kl_upper if upper else kl_lower

    def value(*, empirical_risk: float, kl: float, n: int, delta: float) -> Ball:
        if math.isinf(kl):
            return arb(1 if upper else 0)
        return invert(arb(empirical_risk), nats(kl, n, delta, log_constant(n)))

    return value


def _square_root(sign: int) -> Callable[..., Ball]:
    def value(*, empirical_risk: float, kl: float, n: int, delta: float) -> Ball:
        return empirical_risk + sign * (nats(kl, n, delta, log_2sqrtn(n)) / 2).sqrt()

    return value


def _mcallester(sign: int) -> Callable[..., Ball]:
    def value(*, empirical_risk: float, kl: float, n: int, delta: float) -> Ball:
        m = arb(int(n))
        inside = (arb(kl) - arb(delta).log() + 5 * m.log() / 2 + 8) / (2 * m - 1)
        return empirical_risk + sign * inside.sqrt()

    return value


def _thiemann(
    *, empirical_risk: float, kl: float, n: int, delta: float, lam: float | None = None
) -> Ball:
    if lam is None:
        return _quadratic(empirical_risk=empirical_risk, kl=kl, n=n, delta=delta)
    rest = 1 - arb(lam) / 2
    return empirical_risk / rest + nats(kl, n, delta, log_2sqrtn(n)) / (lam * rest)


def _thiemann_lower(
    *, empirical_risk: float, kl: float, n: int, delta: float, lam: float | None = None
) -> Ball:
    if lam is None:
        return _quadratic_lower(empirical_risk=empirical_risk, kl=kl, n=n, delta=delta)
    cost = nats(kl, n, delta, log_2sqrtn(n))
    return empirical_risk * (1 - arb(lam) / 2) - cost / lam


def _quadratic(*, empirical_risk: float, kl: float, n: int, delta: float) -> Ball:
    half = nats(kl, n, delta, log_2sqrtn(n)) / 2
    return ((empirical_risk + half).sqrt() + half.sqrt()) ** 2


def _quadratic_lower(*, empirical_risk: float, kl: float, n: int, delta: float) -> Ball:
    return empirical_risk - (2 * empirical_risk * nats(kl, n, delta, log_2sqrtn(n))).sqrt()


def _uniform_catoni(
    *,
    empirical_risk: float,
    kl: float,
    n: int,
    delta: float,
    c: float | None = None,
    gamma: float | None = None,
) -> Ball:
    cost = nats(kl, n, delta, log_xi(n))
    if c is None or gamma is None:
        return kl_upper(arb(empirical_risk), cost)
    at, g = arb(c), arb(gamma)
    return (
        at * g * (g / (g - 1)).log() * empirical_risk
        + at * g * cost
        + g * (1 - at * (1 - at.log()))
    )


def _catoni(*, empirical_risk: float, kl: float, n: int, delta: float, c: float) -> Ball:
    return _catoni_at(arb(c), empirical_risk, nats(kl, n, delta))


def _catoni_at(c: Ball, empirical_risk: float, cost: Ball) -> Ball:
    return (1 - (-c * empirical_risk - cost).exp()) / (1 - (-c).exp())


def _catoni_grid(
    *,
    empirical_risk: float,
    kl: float,
    n: int,
    delta: float,
    grid: Sequence[float] = CATONI_GRID,
) -> Ball:
    cost = nats(kl, n, delta, arb(len(grid)).log())
    return least([_catoni_at(arb(c), empirical_risk, cost) for c in grid])


def _tolstikhin_seldin(
    *, empirical_risk: float, variance: float, kl: float, n: int, delta: float
) -> Ball:
    log, c, m = -(arb(delta) / 2).log(), arb(GRID_RATIO), arb(int(n))
    e_minus_2 = arb(1).exp() - 2
    nu = whole_above((((m - 1) / log + 1).sqrt() / 2 + arb(1) / 2).log() / c.log())
    cost = (arb(kl) + arb(nu).log() + log) / (m - 1)
    bound = variance + (1 + c) * (variance * cost / 2).sqrt() + 2 * c * cost
    bound = bound.min(arb(1) / 4)
    nu = whole_above((e_minus_2 * m / (4 * log)).sqrt().log() / c.log()) + 1
    cost = (arb(kl) + arb(nu).log() + log) / m
    small, large = (1 + c) * (e_minus_2 * bound * cost).sqrt(), 2 * cost
    if cost <= e_minus_2 * bound:
        return empirical_risk + small
    return empirical_risk + (large if cost > e_minus_2 * bound else small.union(large))


def _unexpected_bernstein(
    *,
    empirical_risk: float,
    second_moment: float,
    kl: float,
    n: int,
    delta: float,
    gamma: float | None = None,
) -> Ball:
    grid = [arb(gamma)] if gamma is not None else []
    if not grid:
        wanted = ((int(n) / -arb(delta).log()).sqrt() / 2).log() / arb(2).log()
        grid = [arb(2) ** -(i + 1) for i in range(min(40, whole_above(wanted)))]
    cost = nats(kl, n, delta, arb(len(grid)).log())
    return least(
        [empirical_risk + (-(1 - g).log() - g) / g * second_moment + cost / g for g in grid]
    )


def _split_kl(*, upper: bool) -> Callable[..., Ball]:
    rising, falling = (kl_upper, kl_lower) if upper else (kl_lower, kl_upper)

    def value(
        *, empirical_risk: float, excess: float, mu: float, kl: float, n: int, delta: float
    ) -> Ball:
        m, plus = arb(mu), arb(excess)
        above, below = plus / (1 - m), (m - empirical_risk + plus) / m
        cost = nats(kl, n, delta, log_xi(n) + arb(2).log())
        zero, one = arb(0), arb(1)
        above, below = above.max(zero).min(one), below.max(zero).min(one)
        return m + (1 - m) * rising(above, cost) - m * falling(below, cost)

    return value


def _occam_kl(*, empirical_risk: float, log_prior: float, n: int, delta: float) -> Ball:
    return kl_upper(arb(empirical_risk), nats(-arb(log_prior), n, delta))


def _test_set_kl(invert: Callable[[Ball, Ball], Ball]) -> Callable[..., Ball]:
    def value(*, empirical_risk: float, n: int, delta: float) -> Ball:
        return invert(arb(empirical_risk), nats(0, n, delta))

    return value


def _chernoff(kl: float, n: int, delta: float) -> Ball:
    return (arb(kl) + arb(int(n)).log() - arb(delta).log()) / (int(n) - 1)


def _sub_gaussian(*, empirical_risk: float, kl: float, n: int, delta: float, sigma: float) -> Ball:
    return empirical_risk + sigma * (2 * _chernoff(kl, n, delta)).sqrt()


def _sub_gamma(
    *, empirical_risk: float, kl: float, n: int, delta: float, variance_factor: float, scale: float
) -> Ball:
    cost = _chernoff(kl, n, delta)
    return empirical_risk + (2 * variance_factor * cost).sqrt() + scale * cost


ENCLOSURES: Mapping[str, Callable[..., Ball]] = MappingProxyType(
    {
        "seeger_maurer": _with_kl(log_xi, upper=True),
        "seeger_maurer_lower": _with_kl(log_xi, upper=False),
        "seeger_maurer_2sqrtn": _with_kl(log_2sqrtn, upper=True),
        "seeger_maurer_2sqrtn_lower": _with_kl(log_2sqrtn, upper=False),
        "time_uniform_kl": _with_kl(log_kt, upper=True),
        "time_uniform_kl_lower": _with_kl(log_kt, upper=False),
        "disintegrated_kl": _with_kl(log_xi, upper=True),
        "disintegrated_kl_lower": _with_kl(log_xi, upper=False),
        "pinsker": _square_root(1),
        "pinsker_lower": _square_root(-1),
        "mcallester_1999": _mcallester(1),
        "mcallester_1999_lower": _mcallester(-1),
        "thiemann": _thiemann,
        "thiemann_lower": _thiemann_lower,
        "quadratic": _quadratic,
        "quadratic_lower": _quadratic_lower,
        "uniform_catoni": _uniform_catoni,
        "catoni": _catoni,
        "catoni_grid": _catoni_grid,
        "tolstikhin_seldin": _tolstikhin_seldin,
        "unexpected_bernstein": _unexpected_bernstein,
        "split_kl": _split_kl(upper=True),
        "split_kl_lower": _split_kl(upper=False),
        "occam_kl": _occam_kl,
        "sub_gaussian": _sub_gaussian,
        "sub_gamma": _sub_gamma,
        "test_set_kl": _test_set_kl(kl_upper),
        "test_set_kl_lower": _test_set_kl(kl_lower),
    }
)
