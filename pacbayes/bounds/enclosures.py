"""Every bound once more, in ball arithmetic: rigorous, and written apart from the float64 code.

Each function takes the arguments of the bound of its name, as numbers, and returns a ball that
contains the exact value of the formula (for the three that search for a best parameter or a
crossing, the exact value at the parameter found). `certified` turns it into a float64.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
from flint import arb, ctx
from numpy.typing import ArrayLike

from pacbayes.bounds import registry as _registry
from pacbayes.bounds.betting import GRID as BETS
from pacbayes.bounds.catoni_grid import GRID as CATONI_GRID
from pacbayes.bounds.token_freedman import GRID as FREEDMAN_GRID
from pacbayes.bounds.tolstikhin_seldin import GRID_RATIO

Ball: TypeAlias = Any
"""A ball of `flint.arb`, which has no types."""

_PRECISIONS = (192, 384, 768, 1536, 3072, 6144)
"""Bits; the next is used where a ball is wider than a float64 spacing."""


def enclosure(name: str, **arguments: Any) -> Ball:
    """A ball that contains the value of a bound, capped at 1 where the bound is.

    Args:
        name: A key of `BOUNDS`, or one with `_lower` appended where that has a lower twin.
        arguments: Those of the bound, as numbers (losses as sequences).

    Raises:
        ValueError: An unknown name, or an argument outside its domain.
    """
    bound, side = _registry.lookup_side(name)
    side(**arguments)  # the same checks, with the same messages
    ball = _at_enough_bits(lambda: ENCLOSURES[name](**arguments))
    if name.endswith("_lower"):
        return ball.max(arb(0))
    return ball.min(arb(1)) if bound.capped else ball


def certified(name: str, **arguments: Any) -> float:
    """The value of a bound, rigorous: the smallest float64 not below the upper end of its ball.

    For a `_lower` twin the largest float64 not above the lower end.

    Args:
        name: As `enclosure`.
        arguments: As `enclosure`.

    >>> certified("seeger_maurer", empirical_risk=0.02, kl=300.0, n=30000, delta=0.05)
    0.04698124158260537
    """
    ball = enclosure(name, **arguments)
    if name.endswith("_lower"):
        return max(0.0, -float_above(-ball))
    return float_above(ball)


def float_above(ball: Ball) -> float:
    """The smallest float64 that is certainly not below any point of the ball."""
    if not ball.is_finite():
        return math.inf
    candidate = float(ball.upper())
    while not arb(candidate) >= ball:
        candidate = math.nextafter(candidate, math.inf)
    while arb(below := math.nextafter(candidate, -math.inf)) >= ball:
        candidate = below
    return candidate


def _at_enough_bits(compute: Callable[[], Ball]) -> Ball:
    for bits in _PRECISIONS:
        with ctx.workprec(bits):
            ball = compute()
            if not ball.is_finite():
                continue
            low, high = -float_above(-ball), float_above(ball)
            if high <= math.nextafter(low, math.inf) or ball.rel_accuracy_bits() > 56:
                break
    return ball


# Constants


@lru_cache(maxsize=256)
def _log_xi_at(n: int, bits: int) -> Ball:
    if n > 10**6:
        # Flajolet et al. (1995): Q(n) = n! eⁿ/(2 nⁿ) − θ(n), θ = 1/3 + 4/(135 (n + k)),
        # with 2/21 ≤ k ≤ 8/45
        theta = arb(1) / 3 + arb(4) / (135 * (n + (arb(2) / 21).union(arb(8) / 45)))
        half = (arb(n + 1).lgamma() + n - n * arb(n).log()).exp() / 2
        return (1 + half - theta).log()
    total, term, k = arb(1), arb(1), 0
    while k < n:
        k += 1
        term = term * (n - k + 1) / n
        total += term
        if term.upper() < arb(2) ** -(bits + 40):
            # each further term is smaller by a factor of at most 1 − k/n
            total += (term * n / k).union(arb(0))
            break
    return total.log()


def _log_xi(n: int) -> Ball:
    return _log_xi_at(int(n), int(ctx.prec))


def _log_kt(n: int) -> Ball:
    m = arb(int(n))
    return arb.pi().log() / 2 + (m + 1).lgamma() - (m + arb(1) / 2).lgamma()


def _log_2sqrtn(n: int) -> Ball:
    return arb(2).log() + arb(int(n)).log() / 2


def _nats(kl: Any, n: int, delta: float, log_constant: Any = 0) -> Ball:
    return (arb(kl) + log_constant - arb(delta).log()) / int(n)


# The divergence and its inverses


def _kl(q: Ball, p: Ball) -> Ball:
    total = arb(0)
    if q > 0:
        total += q * (q / p).log()
    if q < 1:
        total += (1 - q) * ((1 - q) / (1 - p)).log()
    return total


def _kl_upper(q: Ball, c: Ball) -> Ball:
    """kl⁺, increasing in both arguments: from their ends."""
    return _kl_upper_at(q.lower(), c.lower()).union(_kl_upper_at(q.upper(), c.upper()))


def _kl_lower(q: Ball, c: Ball) -> Ball:
    """kl⁻, increasing in q and decreasing in c."""
    return (1 - _kl_upper_at_complement(q.lower(), c.upper())).union(
        1 - _kl_upper_at_complement(q.upper(), c.lower())
    )


def _kl_upper_at(q: Ball, c: Ball) -> Ball:
    if not q > 0:
        return 1 - (-c).exp()
    if not q < 1:
        return arb(1)
    return q + (1 - q) * (1 - (-_exponent(q, c)).exp())


def _kl_upper_at_complement(q: Ball, c: Ball) -> Ball:
    """kl⁺(1 − q, c) without the rounding of 1 − q."""
    if not q > 0:
        return arb(1)
    if not q < 1:
        return 1 - (-c).exp()
    return 1 - q * (-_exponent(1 - q, c)).exp()


def _exponent(q: Ball, c: Ball) -> Ball:
    """S ≥ 0 with kl(q‖1 − (1 − q) e^{−s}) = c, by bisection, for 0 < q < 1."""
    if not c > 0:
        return arb(0)
    # (1 − q) s = c + q ln(p/q) ≤ c + q ln(1/q)
    low, high = arb(0), ((c - q * q.log()) / (1 - q)).upper()
    for _ in range(4 * ctx.prec):
        middle = ((low + high) / 2).mid()
        value = (1 - q) * middle - q * ((1 - (1 - q) * (-middle).exp()) / q).log()
        if value <= c:
            low = middle
        elif value >= c:
            high = middle
        else:
            break
        if (high - low) < middle * arb(2) ** -100:
            break
    return low.union(high)


# One function a theorem


def _with_kl(log_constant: Callable[[int], Ball], *, upper: bool) -> Callable[..., Ball]:
    invert = _kl_upper if upper else _kl_lower

    def value(*, empirical_risk: float, kl: float, n: int, delta: float) -> Ball:
        if math.isinf(kl):
            return arb(1 if upper else 0)
        return invert(arb(empirical_risk), _nats(kl, n, delta, log_constant(n)))

    return value


def _square_root(sign: int) -> Callable[..., Ball]:
    def value(*, empirical_risk: float, kl: float, n: int, delta: float) -> Ball:
        return empirical_risk + sign * (_nats(kl, n, delta, _log_2sqrtn(n)) / 2).sqrt()

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
    return empirical_risk / rest + _nats(kl, n, delta, _log_2sqrtn(n)) / (lam * rest)


def _thiemann_lower(
    *, empirical_risk: float, kl: float, n: int, delta: float, lam: float | None = None
) -> Ball:
    if lam is None:
        return _quadratic_lower(empirical_risk=empirical_risk, kl=kl, n=n, delta=delta)
    cost = _nats(kl, n, delta, _log_2sqrtn(n))
    return empirical_risk * (1 - arb(lam) / 2) - cost / lam


def _quadratic(*, empirical_risk: float, kl: float, n: int, delta: float) -> Ball:
    half = _nats(kl, n, delta, _log_2sqrtn(n)) / 2
    return ((empirical_risk + half).sqrt() + half.sqrt()) ** 2


def _quadratic_lower(*, empirical_risk: float, kl: float, n: int, delta: float) -> Ball:
    return empirical_risk - (2 * empirical_risk * _nats(kl, n, delta, _log_2sqrtn(n))).sqrt()


def _uniform_catoni(
    *,
    empirical_risk: float,
    kl: float,
    n: int,
    delta: float,
    c: float | None = None,
    gamma: float | None = None,
) -> Ball:
    cost = _nats(kl, n, delta, _log_xi(n))
    if c is None or gamma is None:
        return _kl_upper(arb(empirical_risk), cost)
    at, g = arb(c), arb(gamma)
    return (
        at * g * (g / (g - 1)).log() * empirical_risk
        + at * g * cost
        + g * (1 - at * (1 - at.log()))
    )


def _catoni(*, empirical_risk: float, kl: float, n: int, delta: float, c: float) -> Ball:
    return _catoni_at(arb(c), empirical_risk, _nats(kl, n, delta))


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
    cost = _nats(kl, n, delta, arb(len(grid)).log())
    return _least([_catoni_at(arb(c), empirical_risk, cost) for c in grid])


def _tolstikhin_seldin(
    *, empirical_risk: float, variance: float, kl: float, n: int, delta: float
) -> Ball:
    log, c, m = -(arb(delta) / 2).log(), arb(GRID_RATIO), arb(int(n))
    e_minus_2 = arb(1).exp() - 2
    nu = _whole_above((((m - 1) / log + 1).sqrt() / 2 + arb(1) / 2).log() / c.log())
    cost = (arb(kl) + arb(nu).log() + log) / (m - 1)
    bound = variance + (1 + c) * (variance * cost / 2).sqrt() + 2 * c * cost
    bound = bound.min(arb(1) / 4)
    nu = _whole_above((e_minus_2 * m / (4 * log)).sqrt().log() / c.log()) + 1
    cost = (arb(kl) + arb(nu).log() + log) / m
    small, large = (1 + c) * (e_minus_2 * bound * cost).sqrt(), 2 * cost
    if cost <= e_minus_2 * bound:
        return empirical_risk + small
    return empirical_risk + (large if cost > e_minus_2 * bound else small.union(large))


def _whole_above(x: Ball) -> int:
    """⌈x⌉ and at least 1."""
    return max(1, int(x.ceil().upper().unique_fmpz()))


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
        grid = [arb(2) ** -(i + 1) for i in range(min(40, _whole_above(wanted)))]
    cost = _nats(kl, n, delta, arb(len(grid)).log())
    return _least(
        [empirical_risk + (-(1 - g).log() - g) / g * second_moment + cost / g for g in grid]
    )


def _split_kl(*, upper: bool) -> Callable[..., Ball]:
    rising, falling = (_kl_upper, _kl_lower) if upper else (_kl_lower, _kl_upper)

    def value(
        *, empirical_risk: float, excess: float, mu: float, kl: float, n: int, delta: float
    ) -> Ball:
        m, plus = arb(mu), arb(excess)
        above, below = plus / (1 - m), (m - empirical_risk + plus) / m
        cost = _nats(kl, n, delta, _log_xi(n) + arb(2).log())
        zero, one = arb(0), arb(1)
        above, below = above.max(zero).min(one), below.max(zero).min(one)
        return m + (1 - m) * rising(above, cost) - m * falling(below, cost)

    return value


def _occam_kl(*, empirical_risk: float, log_prior: float, n: int, delta: float) -> Ball:
    return _kl_upper(arb(empirical_risk), _nats(-arb(log_prior), n, delta))


def _test_set_kl(invert: Callable[[Ball, Ball], Ball]) -> Callable[..., Ball]:
    def value(*, empirical_risk: float, n: int, delta: float) -> Ball:
        return invert(arb(empirical_risk), _nats(0, n, delta))

    return value


def _chernoff(kl: float, n: int, delta: float) -> Ball:
    return (arb(kl) + arb(int(n)).log() - arb(delta).log()) / (int(n) - 1)


def _sub_gaussian(*, empirical_risk: float, kl: float, n: int, delta: float, sigma: float) -> Ball:
    return empirical_risk + sigma * (2 * _chernoff(kl, n, delta)).sqrt()


def _sub_gamma(
    *, empirical_risk: float, kl: float, n: int, delta: float, variance: float, scale: float
) -> Ball:
    cost = _chernoff(kl, n, delta)
    return empirical_risk + (2 * variance * cost).sqrt() + scale * cost


def _occam_binomial(*, n_errors: int, log_prior: float, n: int, delta: float) -> Ball:
    hint = _registry.BOUNDS["occam_binomial"].function
    start = hint(n_errors=n_errors, log_prior=log_prior, n=n, delta=delta)
    return _tail_root(int(n_errors), int(n), arb(log_prior) + arb(delta).log(), start)


def _test_set_binomial(*, n_errors: int, n: int, delta: float) -> Ball:
    start = _registry.BOUNDS["test_set_binomial"].function(n_errors=n_errors, n=n, delta=delta)
    return _tail_root(int(n_errors), int(n), arb(delta).log(), start)


def _test_set_binomial_lower(*, n_errors: int, n: int, delta: float) -> Ball:
    lower = _registry.BOUNDS["test_set_binomial"].lower
    assert lower is not None
    start = lower(n_errors=n_errors, n=n, delta=delta)
    k = int(n_errors)
    if k == 0:
        return arb(0)
    return _root_between(lambda p: p.beta_lower(k, int(n) - k + 1, 1), arb(delta), start)


def _tail_root(k: int, n: int, log_delta: Ball, start: float) -> Ball:
    """The p with P(Bin(n, p) ≤ k) = δ, searched near `start` and bracketed by the tail itself."""
    if k == n:
        return arb(1)
    return -_root_between(lambda p: (1 + p).beta_lower(n - k, k + 1, 1), log_delta.exp(), -start)


def _root_between(function: Callable[[Ball], Ball], target: Ball, start: float) -> Ball:
    """A ball around the crossing of an increasing function of a float near `start`."""
    low = high = arb(start)
    step = arb(abs(start)) * arb(2) ** -56 + arb(2) ** -1080
    for _ in range(60):
        if function(low) <= target:
            break
        high, low, step = low, low - step, 4 * step
    step = arb(abs(start)) * arb(2) ** -56 + arb(2) ** -1080
    for _ in range(60):
        if high >= 0 and high >= 1:
            break
        if function(high) >= target:
            break
        low, high, step = high, high + step, 4 * step
    for _ in range(24):
        middle = ((low + high) / 2).mid()
        value = function(middle)
        if value <= target:
            low = middle
        elif value >= target:
            high = middle
        else:
            break
    return low.union(high)


def _counted(losses: ArrayLike, counts: ArrayLike | None) -> tuple[list[tuple[float, Any]], int]:
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
        shares, n = _counted(losses, counts)
        if math.isinf(kl):
            return arb(1 if upper else 0)
        cost = _nats(kl, n, delta, _log_kt(n))
        at = arb(_golden_log(shares, float(cost.mid()), upper=upper))
        return (1 - (_mean_log(shares, at) - cost).exp()) / at

    return value


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
    cost = _nats(kl, x.shape[-1], delta, arb(len(np.atleast_1d(grid))).log())
    values = []
    for s in np.atleast_1d(grid).tolist():
        total = arb(0)
        for (a, guess), k in pairs.items():
            u = s * (arb(guess) - a) / width
            total += k * (u - (1 + u).log())
        values.append(mean + width * (cost + total / x.size) / s)
    return _least(values)


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


def _least(values: Sequence[Ball]) -> Ball:
    least = values[0]
    for value in values[1:]:
        least = least.min(value)
    return least


ENCLOSURES: Mapping[str, Callable[..., Ball]] = MappingProxyType(
    {
        "seeger_maurer": _with_kl(_log_xi, upper=True),
        "seeger_maurer_lower": _with_kl(_log_xi, upper=False),
        "seeger_maurer_2sqrtn": _with_kl(_log_2sqrtn, upper=True),
        "seeger_maurer_2sqrtn_lower": _with_kl(_log_2sqrtn, upper=False),
        "time_uniform_kl": _with_kl(_log_kt, upper=True),
        "time_uniform_kl_lower": _with_kl(_log_kt, upper=False),
        "disintegrated_kl": _with_kl(_log_xi, upper=True),
        "disintegrated_kl_lower": _with_kl(_log_xi, upper=False),
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
        "log_wealth": _log_wealth(upper=True),
        "log_wealth_lower": _log_wealth(upper=False),
        "tolstikhin_seldin": _tolstikhin_seldin,
        "unexpected_bernstein": _unexpected_bernstein,
        "split_kl": _split_kl(upper=True),
        "split_kl_lower": _split_kl(upper=False),
        "occam_kl": _occam_kl,
        "occam_binomial": _occam_binomial,
        "token_freedman": _token_freedman,
        "sub_gaussian": _sub_gaussian,
        "sub_gamma": _sub_gamma,
        "test_set_binomial": _test_set_binomial,
        "test_set_binomial_lower": _test_set_binomial_lower,
        "test_set_kl": _test_set_kl(_kl_upper),
        "test_set_kl_lower": _test_set_kl(_kl_lower),
        "test_set_betting": _test_set_betting(upper=True),
        "test_set_betting_lower": _test_set_betting(upper=False),
    }
)
