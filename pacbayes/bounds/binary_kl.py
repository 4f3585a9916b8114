"""The binary relative entropy and its two inverses, rounded outward.

With h(x) = x − ln(1 + x) ≥ 0 the divergence is kl(q, q + Δ) = q h(Δ/q) + (1 − q) h(−Δ/(1 − q)),
in which nothing cancels. The inverses solve kl = c in s = −ln((1 − p)/(1 − q)), where
f(s) = (1 − q) s − q ln(p/q) is convex, so that Newton's method started right of the root stays
right of it and its last iterate is an upper bound up to rounding; the rounding is then paid for.
"""

from __future__ import annotations

import math

from pacbayes.bounds._domain import require_complexity, require_risk

_MOST_STEPS = 200
_SETTLED = 2.0**-50
_SLACK = 2.0**-48
"""Sixteen ulps: more than where Newton stops, and the rounding of the few operations after it."""


def binary_kl(q: float, p: float) -> float:
    """kl(q‖p) = q ln(q/p) + (1 − q) ln((1 − q)/(1 − p)), in nats.

    >>> round(binary_kl(0.1, 0.2), 9)
    0.036690014
    >>> binary_kl(0.0, 1.0)
    inf
    """
    require_risk(q, "q")
    require_risk(p, "p")
    if q == p:
        return 0.0
    if p in (0.0, 1.0):
        return math.inf
    difference = p - q
    if not (q / 2 < p < 2 * q and (1 - q) / 2 < 1 - p < 2 * (1 - q)):
        near = q * math.log(q / p) if q > 0 else 0.0
        return near + ((1 - q) * (math.log1p(-q) - math.log1p(-p)) if q < 1 else 0.0)
    return q * _excess(difference / q) + (1 - q) * _excess(-difference / (1 - q))


def binary_kl_inverse_upper(q: float, c: float) -> float:
    """sup{p : kl(q‖p) ≤ c}, never below the true value.

    >>> binary_kl_inverse_upper(1.0, 0.3)
    1.0
    >>> round(binary_kl_inverse_upper(0.0, 0.1), 9)  # 1 − exp(−c)
    0.095162582
    """
    require_risk(q, "q")
    require_complexity(c, "c")
    if q == 1 or c == math.inf:
        return 1.0
    if c == 0:
        return q
    if q == 0:
        return _up(-math.expm1(-c * (1 + _SLACK)))
    delta = (1 - q) * -math.expm1(-_root(q, 1 - q, c))
    return _up(q + delta * (1 + _SLACK))


def binary_kl_inverse_lower(q: float, c: float) -> float:
    """inf{p : kl(q‖p) ≤ c}, never above the true value.

    >>> binary_kl_inverse_lower(0.0, 0.3)
    0.0
    """
    require_risk(q, "q")
    require_complexity(c, "c")
    if q == 0 or c == math.inf:
        return 0.0
    if c == 0:
        return q
    if q == 1:
        return max(0.0, math.nextafter(math.exp(-c * (1 + _SLACK)), 0.0))
    # kl(q‖p) = kl(1 − q‖1 − p): p = q exp(−s) with s the root for 1 − q
    s = _root(1 - q, q, c) * (1 + _SLACK) + 2.0**-52
    return max(0.0, math.nextafter(q * math.exp(-s) * (1 - _SLACK), 0.0))


def _root(a: float, b: float, c: float) -> float:
    """The s ≥ 0 with b s − a ln(p/a) = c, p = a + b (1 − e^{−s}), not below it.

    Both a = q and b = 1 − q are given, so that neither is lost where the other is near 1.
    """
    # two points right of the root: a ln(p/a) ≤ b as p ≤ 1, and p ≤ a + √(c/2) by Pinsker
    s = c / b + 1
    step = math.sqrt(c / 2)
    if step < b:
        s = min(s, -math.log1p(-step / b))
    for _ in range(_MOST_STEPS):
        delta = b * -math.expm1(-s)
        value = a * _excess(delta / a) + b * _excess_exp(s)
        before, s = s, s - (value - c) / (delta / (a + delta))
        if abs(s - before) <= _SETTLED * s:
            break
    return s * (1 + _SLACK)


def _excess(x: float) -> float:
    """h(x) = x − ln(1 + x)."""
    if abs(x) < 0.05:
        # h(x) = Σ_{k≥2} (−x)^k / k
        term, total, k = x * x, 0.0, 2
        while abs(term) > 1e-19 * x * x:
            total += term / k
            term *= -x
            k += 1
        return total
    return x - math.log1p(x)


def _excess_exp(s: float) -> float:
    """h(−(1 − e^{−s})) = s − (1 − e^{−s})."""
    if s < 0.05:
        term, total, k = s * s / 2, 0.0, 2
        while abs(term) > 1e-19 * s * s:
            total += term
            k += 1
            term *= -s / k
        return total
    return s + math.expm1(-s)


def _up(p: float) -> float:
    return min(1.0, math.nextafter(p * (1 + _SLACK), math.inf))
