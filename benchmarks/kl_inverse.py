"""What the kl inverses cost beside three other ways to solve for them, and some other bounds.

Run ``python benchmarks/kl_inverse.py``; prints one line of JSON. All run in one thread and take
turns in one process, and medians of the rounds and of the rounds' ratios are given, so that drifts
of the machine's speed cancel. Times are processor times: what else runs does not count.
"""

from __future__ import annotations

import json
import math
import os
import statistics
import time
import tracemalloc
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"  # before numpy reads it

import numpy as np
from scipy.optimize import brentq
from scipy.optimize.elementwise import find_root

from pacbayes.bounds import (
    binary_kl_inverse_lower,
    binary_kl_inverse_upper,
    certified,
    log_wealth,
    xi,
)

ROUNDS, ELEMENTS = 7, 1_000_000

SHORTER = 100_000
"""Losses, and elements of the arrays of sizes."""

RIVALS = 10_000
"""Elements for the vectorised rivals, whose arrays then stay in the cache: at their best."""

LOOPED = 3_000
"""Elements for the loop over brentq, whose time is proportional to their number."""

ONE_MINUS = 1 - 2.0**-53


def by_brentq(q: Sequence[float], c: Sequence[float]) -> list[float]:
    """One scalar solve an element, in plain Python floats."""
    found = []
    log, log1p = math.log, math.log1p
    for a, nats in zip(q, c, strict=True):
        b = 1 - a
        constant = a * log(a) + b * log(b) - nats

        def excess(p: float, a: float = a, b: float = b, constant: float = constant) -> float:
            return constant - a * log(p) - b * log1p(-p)

        found.append(brentq(excess, a, ONE_MINUS, xtol=1e-15))
    return found


def by_bisection(q: Any, c: Any) -> Any:
    """Fifty halvings of [q, 1], all elements at once."""
    constant = q * np.log(q) + (1 - q) * np.log1p(-q) - c
    low, high = q, np.ones_like(q)
    for _ in range(50):
        middle = (low + high) / 2
        inside = constant - q * np.log(middle) - (1 - q) * np.log1p(-middle) <= 0
        low, high = np.where(inside, middle, low), np.where(inside, high, middle)
    return high


def by_find_root(q: Any, c: Any) -> Any:
    """Scipy's solver for many equations at once (Chandrupatla's method)."""
    constant = q * np.log(q) + (1 - q) * np.log1p(-q) - c

    def excess(p: Any, q: Any, constant: Any) -> Any:
        return constant - q * np.log(p) - (1 - q) * np.log1p(-p)

    return find_root(excess, (q, np.full_like(q, ONE_MINUS)), args=(q, constant)).x


def seconds(function: Callable[[], Any]) -> float:
    """Processor time of one call."""
    started = time.process_time()
    function()
    return time.process_time() - started


def peak_over_input(q: Any, c: Any) -> float:
    """Most memory held during a call, its result included, over that of its arguments."""
    tracemalloc.start()
    binary_kl_inverse_upper(q, c)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / (q.nbytes + c.nbytes)


def main() -> None:
    """Times alternating rounds and prints medians."""
    rng = np.random.default_rng(0)
    q, c = rng.uniform(1e-6, 0.9, ELEMENTS), 10 ** rng.uniform(-4, 0, ELEMENTS)
    few, many = (q[:LOOPED].tolist(), c[:LOOPED].tolist()), (q[:RIVALS], c[:RIVALS])
    for rival, at in ((by_brentq, few), (by_bisection, many), (by_find_root, many)):
        np.testing.assert_allclose(rival(*at), binary_kl_inverse_upper(*at), rtol=1e-9)
    losses = rng.beta(0.2, 0.8, SHORTER)
    large, small = np.full(SHORTER, 1e9), np.full(SHORTER, 10.0)
    reference = {"empirical_risk": 0.02, "kl": 300.0, "delta": 0.05}

    # name: what to call in a round, and by how much its time is divided
    timed: dict[str, tuple[Callable[[int], Any], float]] = {
        "upper": (lambda _: binary_kl_inverse_upper(q, c), ELEMENTS),
        "lower": (lambda _: binary_kl_inverse_lower(q, c), ELEMENTS),
        "brentq": (lambda _: by_brentq(*few), LOOPED),
        "bisection": (lambda _: [by_bisection(*many) for _ in range(5)], 5 * RIVALS),
        "find_root": (lambda _: [by_find_root(*many) for _ in range(5)], 5 * RIVALS),
        "xi_1e9": (lambda _: [xi(1e9) for _ in range(3000)], 3000),
        "xi_10": (lambda _: [xi(10) for _ in range(3000)], 3000),
        "xi_array_1e9": (lambda _: [xi(large) for _ in range(10)], 10 * SHORTER),
        "xi_array_10": (lambda _: [xi(small) for _ in range(10)], 10 * SHORTER),
        "log_wealth": (lambda _: log_wealth(losses=losses, kl=100.0, delta=0.05), 1),
        # a sample size that has not been seen, and then the same again
        "certified": (lambda k: certified("seeger_maurer", n=30000 + k, **reference), 1),
        "certified_again": (lambda k: certified("seeger_maurer", n=30000 + k, **reference), 1),
    }
    times: dict[str, list[float]] = {name: [] for name in timed}
    for k in range(ROUNDS + 1):
        for name, (call, share) in timed.items():
            times[name].append(seconds(partial(call, k)) / share)
    times = {name: measured[1:] for name, measured in times.items()}  # the first warms up

    def median(name: str, unit: float, over: str | None = None) -> float:
        base = times[over] if over else [1.0] * ROUNDS
        value = statistics.median(a / b for a, b in zip(times[name], base, strict=True)) / unit
        return float(f"{value:.3g}")

    print(
        json.dumps(
            {
                "elements": ELEMENTS,
                "threads": 1,
                "rounds": ROUNDS,
                "upper_ns": median("upper", 1e-9),
                "lower_ns": median("lower", 1e-9),
                "brentq_timed_on": LOOPED,
                "bisection_and_find_root_timed_on": RIVALS,
                "brentq_over_upper": median("brentq", 1, "upper"),
                "bisection_over_upper": median("bisection", 1, "upper"),
                "find_root_over_upper": median("find_root", 1, "upper"),
                "peak_memory_over_input": round(peak_over_input(q, c), 3),
                "xi_us": median("xi_1e9", 1e-6),
                "xi_1e9_over_xi_10": median("xi_1e9", 1, "xi_10"),
                "xi_1e9_over_xi_10_arrays": median("xi_array_1e9", 1, "xi_array_10"),
                "xi_array_ns": median("xi_array_1e9", 1e-9),
                "log_wealth_1e5_losses_ms": median("log_wealth", 1e-3),
                "certified_ms": median("certified", 1e-3),
                "certified_same_n_again_ms": median("certified_again", 1e-3),
            }
        )
    )


if __name__ == "__main__":
    main()
