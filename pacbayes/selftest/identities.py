"""The means that the theorems rest on, by enumeration of all numbers of errors.

With k ~ Bin(n, p): E exp(n kl(k/n‖p)) = ξ(n), whatever p, and the Krichevsky–Trofimov mixture of
bets has mean wealth 1 and is never behind the best bet by more than its constant. Maurer (2004);
Cover & Ordentlich (1996). Computed with this machine's logarithms and this package's kl.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from scipy.special import betaln
from scipy.stats import binom

from pacbayes import bounds
from pacbayes.selftest.bench import Bench
from pacbayes.selftest.finding import Finding

SIZES = (1, 2, 5, 30, 300, 1000)
RISKS = (0.01, 0.3, 0.5, 0.9)

ROUNDING = 1e-9
"""Logarithms of up to 700 in float64, a few thousand of their last places at most."""


def check(bench: Bench) -> Iterator[Finding]:
    """Differences from the identities; `bench` is not asked for anything."""
    pairs = [(n, p) for n in SIZES for p in RISKS]
    yield Finding(
        what="|E exp(n kl)/ξ(n) − 1|, largest of all n and risks",
        figure=_largest(abs(mean_of_n_kl(n, p) / float(bounds.xi(n)) - 1) for n, p in pairs),
        limit=ROUNDING,
    )
    yield Finding(
        what="|E wealth − 1| of the mixture of bets, largest",
        figure=_largest(abs(mean_wealth(n, p) - 1) for n, p in pairs),
        limit=ROUNDING,
    )
    yield Finding(
        what="E exp(n kl)/K(n) − 1 of the time-uniform bound, largest",
        figure=_largest(mean_of_n_kl(n, p) / float(bounds.kt_constant(n)) - 1 for n, p in pairs),
        limit=ROUNDING,
    )
    yield Finding(
        what="best bet's lead over the mixture beyond ln K(n)",
        figure=_largest(lead_of_best_bet(n) - float(bounds.log_kt_constant(n)) for n in SIZES),
        limit=ROUNDING,
    )


def mean_of_n_kl(n: int, p: float) -> float:
    """E exp(n kl(k/n‖p))."""
    k = np.arange(n + 1)
    return math.fsum(np.exp(binom.logpmf(k, n, p) + n * bounds.binary_kl(k / n, p)))


def mean_wealth(n: int, p: float) -> float:
    """Mean wealth of the mixture against the risk p."""
    k = np.arange(n + 1)
    log_sequence = k * math.log(p) + (n - k) * math.log1p(-p)
    return math.fsum(np.exp(binom.logpmf(k, n, p) + _log_mixture(n) - log_sequence))


def lead_of_best_bet(n: int) -> float:
    """Largest logarithm of the best constant bet's wealth over that of the mixture."""
    k = np.arange(n + 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        best = np.where(k > 0, k * np.log(k / n), 0.0)
        best += np.where(k < n, (n - k) * np.log1p(-k / n), 0.0)
    return float(np.max(best - _log_mixture(n)))


def _log_mixture(n: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Of each number of errors: the mixture's log-probability of one such sequence."""
    k = np.arange(n + 1)
    return np.asarray(betaln(k + 0.5, n - k + 0.5) - math.log(math.pi))


def _largest(values: Iterator[float]) -> float:
    """The largest; not a number if one is none."""
    return float(np.max(np.fromiter(values, dtype=np.float64)))
