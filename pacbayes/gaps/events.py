"""The events on which a weighted sum of held-out risks is bounded on both sides."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from pacbayes.bounds import joint_kl, joint_kl_lower
from pacbayes.bounds._domain import Array, require_delta
from pacbayes.errors import InputError
from pacbayes.gaps._domain import input_errors
from pacbayes.gaps.held_out import HeldOut
from pacbayes.ledger import DeltaLedger

_Event = Callable[[Array, HeldOut, float], tuple[float, float]]


def _strata(a: Array, held_out: HeldOut, delta: float) -> tuple[float, float]:
    """Every stratum's risk within an interval of its own."""
    low, high = held_out.intervals(delta)
    least = math.fsum(np.where(a > 0, a * low, a * high).tolist())
    most = math.fsum(np.where(a > 0, a * high, a * low).tolist())
    return least, most


def _linear(a: Array, held_out: HeldOut, delta: float) -> tuple[float, float]:
    """Hoeffding's inequality for the weighted sum of means itself: no union over strata."""
    spread = math.fsum((a**2 / np.array(held_out.n)).tolist())
    radius = math.sqrt((math.log(2) - math.log(delta)) / 2 * spread)
    middle = math.fsum((a * np.array(held_out.mean)).tolist())
    return middle - radius, middle + radius


def _joint(a: Array, held_out: HeldOut, delta: float) -> tuple[float, float]:
    """Σ_k n_k kl(r̂_k‖R_k) ≤ ln(Π_k ξ(n_k)/δ), from which any weighted sum follows."""
    low = joint_kl_lower(
        coefficients=a, empirical_risk=held_out.mean, kl=0.0, n=held_out.n, delta=delta
    )
    high = joint_kl(coefficients=a, empirical_risk=held_out.mean, kl=0.0, n=held_out.n, delta=delta)
    return low, high


EVENTS: Mapping[str, _Event] = MappingProxyType(
    {"strata": _strata, "linear": _linear, "joint": _joint}
)
"""By name. "strata" is narrow where risks are small and "linear" where strata are many. "strata"
and "joint" hold for all weights at once, "linear" for one choice fixed before the losses."""


@input_errors()
def shares_of_delta(delta: float, events: Sequence[str], *more: str) -> dict[str, float]:
    """δ shared equally among events, which must be known, and whatever else may fail."""
    if unknown := [name for name in events if name not in EVENTS]:
        raise InputError(f"`events` must be among {', '.join(EVENTS)}, got {unknown[0]!r}.")
    if not events or len(set(events)) != len(events):
        raise InputError("`events` must name at least one event, and each once.")
    names = [*events, *more]
    return dict(zip(names, DeltaLedger(float(require_delta(delta))).split(names), strict=True))


def weighted_sum(
    coefficients: Array, held_out: HeldOut, shares: Mapping[str, float]
) -> tuple[float, float, float]:
    """(low, high, estimate) of Σ_k a_k R_k: what all events allow, and Σ_k a_k r̂_k.

    Each event allows the estimate, so that the intersection is never empty. With "linear" among
    them the coefficients are fixed beforehand, so that strata with a_k = 0 may be left out.
    """
    if not coefficients.any():
        return 0.0, 0.0, 0.0
    fixed = "linear" in shares
    needed = (coefficients != 0) | (not fixed)
    a, used = coefficients[needed], held_out.only(needed)
    ends = [EVENTS[name](a, used, part) for name, part in shares.items() if name in EVENTS]
    estimate = math.fsum((a * np.array(used.mean)).tolist())
    return max(low for low, _ in ends), min(high for _, high in ends), estimate
