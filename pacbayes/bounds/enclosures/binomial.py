"""Enclosures of the theorems of the binomial tail."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from flint import arb

from pacbayes.bounds.enclosures.balls import Ball
from pacbayes.bounds.held_out import test_set_binomial, test_set_binomial_lower
from pacbayes.bounds.occam_binomial import occam_binomial


def _occam_binomial(*, n_errors: int, log_prior: float, n: int, delta: float) -> Ball:
    start = occam_binomial(n_errors=n_errors, log_prior=log_prior, n=n, delta=delta)
    return _tail_root(int(n_errors), int(n), arb(log_prior) + arb(delta).log(), start)


def _test_set_binomial(*, n_errors: int, n: int, delta: float) -> Ball:
    start = test_set_binomial(n_errors=n_errors, n=n, delta=delta)
    return _tail_root(int(n_errors), int(n), arb(delta).log(), start)


def _test_set_binomial_lower(*, n_errors: int, n: int, delta: float) -> Ball:
    start = test_set_binomial_lower(n_errors=n_errors, n=n, delta=delta)
    if n_errors == 0:
        return arb(0)
    return _crossing(int(n_errors), int(n), arb(delta).log(), start)


def _tail_root(k: int, n: int, log_delta: Ball, start: float) -> Ball:
    """The p with P(Bin(n, p) ≤ k) = δ, searched near `start`."""
    if k == n:
        return arb(1)
    # k errors or fewer are n − k or more successes
    return -_crossing(n - k, n, log_delta, -start, shift=1)


def _crossing(k: int, n: int, log_delta: Ball, start: float, shift: int = 0) -> Ball:
    """A ball around the x near `start` with P(Bin(n, x + shift) ≥ k) = δ, for k > 0.

    The tail increases from 0 to 1 as x + shift does. Of δ and 1 − δ the smaller is computed.
    """
    if log_delta < -1:
        wanted, sign = log_delta.exp(), 1
    else:
        wanted, sign = -log_delta.expm1(), -1

    def excess(x: Ball) -> Ball:
        p = shift + x
        if sign > 0:
            return p.beta_lower(k, n - k + 1, 1) - wanted
        return wanted - (1 - p).beta_lower(n - k + 1, k, 1)

    low = _beyond(lambda x: bool(excess(x) <= 0), start, -1, arb(-shift))
    high = _beyond(lambda x: bool(excess(x) >= 0), start, 1, arb(1 - shift))
    while high - low > abs(high) * arb(2) ** -60:
        middle = ((low + high) / 2).mid()
        found = excess(middle)
        if found <= 0:
            low = middle
        elif found >= 0:
            high = middle
        else:
            break
    return low.union(high)


def _beyond(is_beyond: Callable[[Ball], bool], start: float, direction: int, end: Ball) -> Ball:
    """A point that is certainly on that side of the crossing, farther from `start` each time."""
    point, step = arb(start), abs(arb(start)) * arb(2) ** -56 + arb(2) ** -1080
    for _ in range(60):
        if not direction * (end - point) > 0:
            break
        if is_beyond(point):
            return point
        point, step = (point + direction * step).mid(), 4 * step
    return end


ENCLOSURES: Mapping[str, Callable[..., Ball]] = MappingProxyType(
    {
        "occam_binomial": _occam_binomial,
        "test_set_binomial": _test_set_binomial,
        "test_set_binomial_lower": _test_set_binomial_lower,
    }
)
