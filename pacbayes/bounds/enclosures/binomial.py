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
    k = int(n_errors)
    if k == 0:
        return arb(0)
    return _crossing(lambda p: p.beta_lower(k, int(n) - k + 1, 1), arb(delta), start)


def _tail_root(k: int, n: int, log_delta: Ball, start: float) -> Ball:
    """The p with P(Bin(n, p) ≤ k) = δ, searched near `start` and bracketed by the tail itself."""
    if k == n:
        return arb(1)
    return -_crossing(lambda p: (1 + p).beta_lower(n - k, k + 1, 1), log_delta.exp(), -start)


def _crossing(function: Callable[[Ball], Ball], target: Ball, start: float) -> Ball:
    """A ball around the crossing in [−1, 1] of an increasing function, tried near `start` first."""
    low = _beyond(lambda p: bool(function(p) <= target), arb(start), -1)
    high = _beyond(lambda p: bool(function(p) >= target), arb(start), 1)
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


def _beyond(is_beyond: Callable[[Ball], bool], start: Ball, direction: int) -> Ball:
    """A point that is certainly on that side of the crossing, farther from `start` each time."""
    point, step = start, abs(start) * arb(2) ** -56 + arb(2) ** -1080
    for _ in range(60):
        if is_beyond(point):
            return point
        point, step = (point + direction * step).mid(), 4 * step
        if not abs(point) < 1:
            break
    return arb(direction)


ENCLOSURES: Mapping[str, Callable[..., Ball]] = MappingProxyType(
    {
        "occam_binomial": _occam_binomial,
        "test_set_binomial": _test_set_binomial,
        "test_set_binomial_lower": _test_set_binomial_lower,
    }
)
