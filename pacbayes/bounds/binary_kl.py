"""The binary relative entropy and its two inverses, rounded outward.

With h(x) = x − ln(1 + x) ≥ 0 the divergence is kl(q, q + Δ) = q h(Δ/q) + (1 − q) h(−Δ/(1 − q)),
in which nothing cancels. The inverses solve kl = c in s = −ln((1 − p)/(1 − q)), where
f(s) = (1 − q) s − q ln(p/q) is convex, so that each step of Newton's method from anywhere lands
right of the root and the iterates then fall to it; the rounding is paid for at the end.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from pacbayes.bounds._domain import Array, FloatOrArray, plain, require_complexity, require_risk
from pacbayes.bounds._rounding import CLOSE, ULP

_BLOCK = 4096
"""Elements worked on at a time: they and their temporaries stay in the cache."""

_SETTLED = 2.0**-30
_HALLEY_STEPS = 3
_MOST_STEPS = 100
_FLAT = 1e-5
_SMALL = 0.25
"""|x| up to which h(x) = x − ln(1 + x) is summed as a series."""

_TINY = 1e-300
"""Smaller arguments are moved outward to this, as products of theirs would underflow."""

_LEAST = 5e-324


def binary_kl(q: ArrayLike, p: ArrayLike) -> FloatOrArray:
    """kl(q‖p) = q ln(q/p) + (1 − q) ln((1 − q)/(1 − p)), in nats, never below the true value.

    Args:
        q: Probabilities in [0, 1], any shape.
        p: Probabilities in [0, 1], any shape that broadcasts with `q`.

    Returns:
        At least 0; exactly 0 where q = p, infinite where p is 0 or 1 and q is not.

    Raises:
        ValueError: A value outside [0, 1].

    >>> round(binary_kl(0.1, 0.2), 9)
    0.036690014
    >>> binary_kl([0.0, 1.0, 0.3], [1.0, 1.0, 0.3]).tolist()
    [inf, 0.0, 0.0]
    """
    return plain(_elementwise(_kl_block, require_risk(q, "q"), require_risk(p, "p")))


def binary_kl_inverse_upper(q: ArrayLike, c: ArrayLike) -> FloatOrArray:
    """kl⁺(q, c) = sup{p : kl(q‖p) ≤ c}, never below the true value.

    Args:
        q: Probabilities in [0, 1], any shape.
        c: Nats, at least 0, infinity allowed, any shape that broadcasts with `q`.

    Returns:
        Values in [q, 1]: exactly 1 where q = 1 or c is infinite, exactly q where c = 0, and
        within 1e-14 relative of the truth where q and c are 0 or at least 1e-280.

    Raises:
        ValueError: A value outside its domain.

    >>> binary_kl_inverse_upper(1.0, 0.3)
    1.0
    >>> binary_kl_inverse_upper([0.0, 0.02], [[0.1], [0.0]]).round(9).tolist()  # 1 − exp(−c)
    [[0.095162582, 0.150811512], [0.0, 0.02]]
    """
    return plain(_elementwise(_upper_block, require_risk(q, "q"), require_complexity(c, "c")))


def binary_kl_inverse_lower(q: ArrayLike, c: ArrayLike) -> FloatOrArray:
    """kl⁻(q, c) = inf{p : kl(q‖p) ≤ c}, never above the true value.

    Arguments and errors as `binary_kl_inverse_upper`.

    >>> binary_kl_inverse_lower(0.0, 0.3)
    0.0
    >>> round(binary_kl_inverse_lower(1.0, 0.3), 9)  # exp(−c)
    0.740818221
    """
    return plain(_elementwise(_lower_block, require_risk(q, "q"), require_complexity(c, "c")))


def _elementwise(function: object, a: Array, b: Array) -> Array:
    """The function of two broadcast arrays, block by block."""
    blocks = np.nditer(
        [a, b, None],
        flags=["external_loop", "buffered", "zerosize_ok"],
        op_flags=[["readonly"], ["readonly"], ["writeonly", "allocate"]],
        op_dtypes=[np.float64] * 3,
        buffersize=_BLOCK,
    )
    with blocks, np.errstate(all="ignore"):
        for x, y, out in blocks:
            out[...] = function(x, y)  # type: ignore[operator]
        return np.asarray(blocks.operands[2])


def _kl_block(q: Array, p: Array) -> Array:
    difference = p - q
    left = np.where(q == 0, p, q * _h(difference / q, p / q))
    right = np.where(q == 1, 1 - p, (1 - q) * _h(-difference / (1 - q), (1 - p) / (1 - q)))
    value = np.nextafter((left + right) * (1 + CLOSE), np.inf)
    tiny = np.flatnonzero(((q < _TINY) & (q > 0)) | (p < _TINY))
    if tiny.size:
        value[tiny] = _kl_of_tiny(q[tiny], p[tiny])
    value = np.where((p == 0) | (p == 1), np.inf, value)
    return np.where(q == p, 0.0, value)


def _kl_of_tiny(q: Array, p: Array) -> Array:
    """The divergence, a little more, where quotients of q and p leave the range of float64."""
    log_ratio = np.log(q) - np.log(p)
    # q below 1e-300: q ln(q/p) counts where it is positive, the rest is at most −ln(1 − p)
    of_q = np.where(q > 0, q * np.maximum(log_ratio, 0), 0.0) - np.log1p(-p)
    # p below 1e-300: −ln(1 − p) is p but for p²
    rest = np.where(q < 1, (1 - q) * np.log1p(-q), 0.0)
    of_p = q * log_ratio + rest + 2 * p
    return np.where(q < _TINY, of_q, of_p) * (1 + 4 * CLOSE) + _TINY


def _upper_block(q: Array, c: Array) -> Array:
    # increasing in q and c
    a, nats = np.maximum(q, _TINY), np.maximum(c, _TINY)
    b = 1 - a
    p = a - b * np.expm1(-(_root(a, b, nats) * (1 + CLOSE)))
    p *= 1 + 8 * ULP
    p = np.where(q == 0, -np.expm1(-c) * (1 + CLOSE) + _LEAST, p)
    p = np.where(c == 0, q, p)
    return np.where((q == 1) | (c == np.inf), 1.0, np.fmin(p, 1.0))


def _lower_block(q: Array, c: Array) -> Array:
    # kl(q‖p) = kl(1 − q‖1 − p): p = q exp(−s) with s the root for 1 − q; decreasing in c
    nats = np.maximum(c, _TINY)
    s = _root(1 - q, q, nats)
    p = q * np.exp(-(s * (1 + CLOSE)))
    far = np.flatnonzero(s > 2)
    if far.size:
        p[far] = _lower_tail(q[far], nats[far], p[far])
    p = np.where(q == 1, np.exp(-c) * (1 - CLOSE), p)
    p = p * (1 - 8 * ULP) - 4 * _LEAST
    p = np.where((q < _TINY) | (c == np.inf), 0.0, np.fmax(p, 0.0))
    return np.where(c == 0, q, p)


def _lower_tail(q: Array, c: Array, p: Array) -> Array:
    """The lower inverse where p is far below q, p known to a few thousand ulps.

    From p = q exp(−c/q + ((1 − q)/q) ln((1 − q)/(1 − p))): the large number c/q is needed to an
    absolute error of an ulp, so its rounding is added back, and the rest hardly depends on p.
    """
    quotient = c / q
    product, error = _two_product(quotient, q)
    missing = ((c - product) - error) / q
    rest = (1 - q) / q * (np.log1p(-q) - np.log1p(-p))
    rest = np.where(q == 1, 0.0, rest)
    found = q * np.exp(-quotient) * np.exp(rest - missing) * (1 - 24 * ULP)
    return np.where(np.isfinite(found) & (quotient < 700), found, p * (1 - 1e-9))


def _two_product(a: Array, b: Array) -> tuple[Array, Array]:
    """The product rounded, and what the rounding left out (Dekker 1971)."""
    shift = 2.0**27 + 1
    a_high = a * shift - (a * shift - a)
    b_high = b * shift - (b * shift - b)
    a_low, b_low = a - a_high, b - b_high
    product = a * b
    return product, ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low


def _root(a: Array, b: Array, c: Array) -> Array:
    """The s ≥ 0 with f(s) = b s − a ln(p/a) = c, p = a + b (1 − e^{−s}), where 0 < a, b and c.

    Both a = q and b = 1 − q are given, so that neither is lost where the other is near 1. Halley's
    method on a quick form of f, from the first two terms of the expansion of s in √c; then
    Newton's on the careful form. As s f″/f′ ≤ 1, a step of Newton's by a share t of s leaves an
    error of at most t²/2.
    """
    s = np.sqrt(2 * c / b) * np.sqrt(a) + c / b * (2 - a) / 3
    for _ in range(_HALLEY_STEPS):
        e = np.expm1(-s)
        delta = -b * e
        ratio = a / delta
        newton = (b * s - a * np.log1p(delta / a) - c) * (1 + ratio)
        halley = newton / (1 - newton * (0.5 * b) * ratio * (1 + e) / (a + delta))
        # for small s/a the quick form has no digits left, and the expansion is good to (s/a)²
        s = np.where(s < _FLAT * a, s, np.maximum(s - halley, 0.125 * s))
    step = _newton_step(a, b, c, s)
    s -= step
    # the few that are not there yet go on alone: no result depends on its neighbours
    left = np.flatnonzero(np.abs(step) > _SETTLED * s)
    for _ in range(_MOST_STEPS):
        if not left.size:
            break
        step = _newton_step(a[left], b[left], c[left], s[left])
        s[left] -= step
        left = left[np.abs(step) > _SETTLED * s[left]]
    return s


def _newton_step(a: Array, b: Array, c: Array, s: Array) -> Array:
    e = np.expm1(-s)
    delta = -b * e
    value = a * _h(delta / a) + b * np.where(s < _SMALL, _h_of_exp(s), s + e)
    return (value - c) * (1 + a / delta)


def _h(x: Array, one_plus_x: Array | None = None) -> Array:
    """h(x) = x − ln(1 + x) for x > −1; with 1 + x where that is known better than by adding."""
    # ln(1 + x) = 2 artanh(t), and x − 2 t = x t
    small = np.abs(x) < _SMALL
    t = np.where(small, x / (2 + x), 0.0)
    t2 = t * t
    tail = t2 * (1 / 17) + 1 / 15
    for k in (13, 11, 9, 7, 5, 3):
        tail = tail * t2 + 1 / k
    log = np.log1p(x) if one_plus_x is None else np.log(one_plus_x)
    return np.where(small, t * (x - 2 * t2 * tail), x - log)


def _h_of_exp(s: Array) -> Array:
    """S − (1 − e^{−s}) for 0 ≤ s < 0.25."""
    total = np.full_like(s, 1.0)
    for k in range(13, 2, -1):
        total = 1 - total * s / k
    return total * s * s / 2
