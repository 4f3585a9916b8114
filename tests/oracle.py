"""Slow, rigorous versions of what the package computes, in Arb ball arithmetic, by definition."""

from __future__ import annotations

from contextlib import AbstractContextManager
from fractions import Fraction

from flint import arb, ctx

ctx.prec = 400


def precision(bits: int) -> AbstractContextManager[object]:
    """Computes with so many bits within a `with`."""
    return ctx.workprec(bits)


def ball(x: float | int | Fraction) -> arb:
    """The exact value of a float or fraction, as a ball."""
    fraction = Fraction(x)
    return arb(fraction.numerator) / arb(fraction.denominator)


def binary_kl(q: arb, p: arb) -> arb:
    """kl(q‖p) from its definition, for 0 < p < 1."""
    total = arb(0)
    if q > 0:
        total += q * (q / p).log()
    if q < 1:
        total += (1 - q) * ((1 - q) / (1 - p)).log()
    return total


def kl_inverse(q: float, c: arb, *, upper: bool) -> tuple[arb, arb]:
    """Two numbers between which sup or inf{p : kl(q‖p) ≤ c} lies, by bisection, for 0 < q < 1."""
    exact = ball(q)
    inside, outside = exact, arb(1 if upper else 0)
    for _ in range(300):
        middle = ((inside + outside) / 2).mid()
        if binary_kl(exact, middle) <= c:
            inside = middle
        else:
            outside = middle
    return inside, outside


def xi(n: int) -> arb:
    """ξ(n) = Σ_k C(n,k) (k/n)^k (1 − k/n)^(n−k)."""
    total = arb(0)
    for k in range(n + 1):
        share = arb(k) / n
        total += arb(n).bin(k) * _power(share, k) * _power(1 - share, n - k) if n else arb(1)
    return total


def _power(base: arb, exponent: int) -> arb:
    return arb(1) if exponent == 0 else base**exponent


def binomial_cdf(k: int, n: int, p: arb) -> arb:
    """P(Bin(n, p) ≤ k)."""
    return sum((arb(n).bin(i) * _power(p, i) * _power(1 - p, n - i) for i in range(k + 1)), arb(0))
