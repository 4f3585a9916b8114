"""Ball arithmetic that the enclosures share: constants, the divergence, its inverses, rounding."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache, reduce
from typing import Any, TypeAlias

from flint import arb, ctx

Ball: TypeAlias = Any
"""A ball of `flint.arb`, which has no types."""

_PRECISIONS = (192, 384, 768, 1536, 3072, 6144)
"""Bits; the next is used where a ball is wider than a float64 spacing."""
EXACT = _PRECISIONS[-1]
"""At so many bits no ball made here is rounded again."""


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


def at_enough_bits(compute: Callable[[], Ball]) -> Ball:
    """The ball, computed with ever more bits until it is narrower than a float64 spacing."""
    for bits in _PRECISIONS:
        with ctx.workprec(bits):
            ball = compute()
            if not ball.is_finite():
                continue
            low, high = -float_above(-ball), float_above(ball)
            if high <= math.nextafter(low, math.inf) or ball.rel_accuracy_bits() > 56:
                break
    return ball


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


def log_xi(n: int) -> Ball:
    """Ln ξ(n)."""
    return _log_xi_at(int(n), int(ctx.prec))


def log_kt(n: int) -> Ball:
    """Ln of √π Γ(n + 1)/Γ(n + 1/2)."""
    m = arb(int(n))
    return arb.pi().log() / 2 + (m + 1).lgamma() - (m + arb(1) / 2).lgamma()


def log_2sqrtn(n: int) -> Ball:
    """Ln(2 √n)."""
    return arb(2).log() + arb(int(n)).log() / 2


def nats(kl: Any, n: int, delta: float, log_constant: Any = 0) -> Ball:
    """(KL + ln(constant/δ))/n."""
    return (arb(kl) + log_constant - arb(delta).log()) / int(n)


def divergence(q: Ball, p: Ball) -> Ball:
    """kl(q‖p) for 0 < p < 1."""
    total = arb(0)
    if q > 0:
        total += q * (q / p).log()
    if q < 1:
        total += (1 - q) * ((1 - q) / (1 - p)).log()
    return total


def kl_upper(q: Ball, c: Ball) -> Ball:
    """kl⁺, increasing in both arguments: from their ends."""
    return _kl_upper_at(q.lower(), c.lower()).union(_kl_upper_at(q.upper(), c.upper()))


def kl_lower(q: Ball, c: Ball) -> Ball:
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


def whole_above(x: Ball) -> int:
    """⌈x⌉ and at least 1."""
    return max(1, int(x.ceil().upper().unique_fmpz()))


def least(values: Sequence[Ball]) -> Ball:
    """The least of several."""
    return reduce(lambda a, b: a.min(b), values)
