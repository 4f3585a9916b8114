"""The log-wealth bound: the kl bound for losses that are not only 0 or 1."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from pacbayes.bounds._bets import log_bet
from pacbayes.bounds._complexity import complexity
from pacbayes.bounds._domain import (
    Array,
    FloatOrArray,
    plain,
    require,
    require_finite,
    require_losses,
)
from pacbayes.bounds._rounding import CLOSE, ULP, risk_up
from pacbayes.bounds.binary_kl import binary_kl_inverse_lower, binary_kl_inverse_upper
from pacbayes.bounds.xi import log_kt_constant

_END = 36.0
"""Largest |ln λ| and |ln(1 − λ)| tried."""


def log_wealth(
    *,
    losses: ArrayLike,
    kl: ArrayLike,
    delta: ArrayLike,
    counts: ArrayLike | None = None,
) -> FloatOrArray:
    """The log-wealth bound: the best of all bets, against each loss.

    With probability ≥ 1 − δ, for all n, Q and λ ∈ (0, 1), with T = (KL + ln(K(n)/δ))/n,

        R ≤ (1 − exp((1/n) Σ_i E_Q ln(1 − λ ℓ_i) − T))/λ.

    The Krichevsky–Trofimov mixture of the bets Π_i (1 − λ ℓ_i)/(1 − λ R(h)), λ < 1, loses at most
    the factor K(n) = √π Γ(n + 1)/Γ(n + 1/2) to the best of them (Cover & Ordentlich). It is a
    martingale of mean 1, and so is its mean under the prior: Ville's inequality, then
    Donsker–Varadhan, then Jensen, as −ln(1 − λ·) is convex. λ < 0 gives `log_wealth_lower` on the
    same event. Never above `time_uniform_kl`, which is what remains when only the mean loss is
    known, nor above `seeger_maurer_2sqrtn`.

    Args:
        losses: Losses in [0, 1] of the examples: shape (n,) for one hypothesis, (atoms, n) for a
            posterior with equal mass on so many. Losses averaged over the posterior would not do:
            the logarithm of a mean is above the mean of the logarithms.
        kl: As `seeger_maurer`; any shape.
        delta: As `seeger_maurer`; any shape that broadcasts with `kl`.
        counts: Instead of one entry an example, the sufficient statistic: how many examples have
            each of the values `losses`, both of shape (values,); fractions allowed (averages over
            the posterior), their sum n is whole.

    Returns:
        The least bound over λ, rounded up, at most 1.0; its shape is that of `kl` and `delta`.

    Raises:
        ValueError: An argument outside its domain.

    Reference: Jang, Jun, Kuzborskij & Orabona (2023), Tighter PAC-Bayes Bounds Through
    Coin-Betting; Cover & Ordentlich (1996), Universal Portfolios with Side Information.

    >>> round(log_wealth(losses=[0.1, 0.2, 0.3], counts=[900, 4000, 100], kl=100.0, delta=0.05), 6)
    0.202424
    """
    sample = _Sample.of(losses, counts)
    cost = complexity(kl, sample.n, delta, log_kt_constant(sample.n))
    return plain(np.vectorize(lambda t: _upper(sample, t), otypes=[np.float64])(cost))


def log_wealth_lower(
    *,
    losses: ArrayLike,
    kl: ArrayLike,
    delta: ArrayLike,
    counts: ArrayLike | None = None,
) -> FloatOrArray:
    """Lower bound R ≥ (exp((1/n) Σ_i E_Q ln(1 + μ ℓ_i) − T) − 1)/μ, the largest over μ > 0.

    On the event of `log_wealth`, with its arguments.
    """
    sample = _Sample.of(losses, counts)
    cost = complexity(kl, sample.n, delta, log_kt_constant(sample.n))
    return plain(np.vectorize(lambda t: _lower(sample, t), otypes=[np.float64])(cost))


@dataclass(frozen=True, kw_only=True)
class _Sample:
    """Distinct losses, the share of examples with each, and the number of examples."""

    values: Array
    shares: Array
    n: int

    @classmethod
    def of(cls, losses: ArrayLike, counts: ArrayLike | None) -> _Sample:
        values = require_losses(losses)
        if counts is None:
            n = values.shape[-1]
            distinct, number = np.unique(values, return_counts=True)
            return cls(values=distinct, shares=number / values.size, n=n)
        weights = require_finite(counts, "counts")
        if weights.shape != values.shape or values.ndim != 1:
            raise ValueError(
                f"`counts` must have the shape of `losses`, got {weights.shape} for {values.shape}."
            )
        require(weights >= 0, weights, "counts", "be at least 0")
        total = math.fsum(weights)
        n = round(total)
        if n < 1 or abs(total - n) > min(0.1, 1e-9 * n):
            raise ValueError(f"`counts` must sum to a whole number of at least 1, got {total}.")
        return cls(values=values, shares=weights / total, n=n)

    @property
    def mean(self) -> float:
        return min(1.0, math.fsum(self.values * self.shares))

    def mean_log(self, lam: float) -> float:
        """The mean of ln(1 − λ ℓ), of terms of one sign."""
        return float(log_bet(lam, self.values) @ self.shares)

    def mean_log_precise(self, lam: float) -> float:
        """`mean_log` with the rounding of a few operations only, whatever the number of losses."""
        return math.fsum(log_bet(lam, self.values) * self.shares)


def _upper(sample: _Sample, cost: float) -> float:
    if cost == math.inf:
        return 1.0

    def bound(lam: float, mean_log: float) -> float:
        return -math.expm1(mean_log - cost) / lam

    # the kl bound's own λ is one candidate, so that the result is never above it
    mean = sample.mean
    risk = float(binary_kl_inverse_upper(mean, cost))
    start = 1 - mean * (1 - risk) / (risk * (1 - mean)) if mean < 1 else 0.5
    start = min(max(start, 1e-15), 1 - 2.0**-52)
    found = _best(lambda u: bound(_expit(u), sample.mean_log(_expit(u))), _logit(start))
    candidates = (start, _expit(found))
    found_risks = (
        float(risk_up(bound(lam, sample.mean_log_precise(lam)), 2 * CLOSE)) for lam in candidates
    )
    # what remains when only the mean is known
    return min(float(binary_kl_inverse_upper(min(1.0, mean * (1 + 4 * ULP)), cost)), *found_risks)


def _lower(sample: _Sample, cost: float) -> float:
    if cost == math.inf:
        return 0.0

    def bound(mu: float, mean_log: float) -> float:
        return math.expm1(mean_log - cost - 8 * ULP * (mean_log + cost)) / mu

    mean = sample.mean
    if mean == 0:
        return 0.0
    risk = max(float(binary_kl_inverse_lower(mean, cost)), 1e-300)
    # λ = 1 − mean (1 − risk)/(risk (1 − mean)) < 0
    start = (mean - risk) / (risk * (1 - mean)) if mean < 1 else 1e15
    start = min(max(start, 1e-15), 1e15)
    found = _best(lambda u: -bound(math.exp(u), sample.mean_log(-math.exp(u))), math.log(start))
    candidates = (start, math.exp(found))
    best = max(bound(mu, sample.mean_log_precise(-mu)) for mu in candidates)
    return max(0.0, math.nextafter(best * (1 - CLOSE), 0.0)) if best > 0 else 0.0


def _best(function: Callable[[float], float], start: float) -> float:
    """A minimiser of a unimodal function, searched from `start` on."""
    from scipy.optimize import minimize_scalar

    def within(u: float) -> float:
        return function(min(max(u, -_END), _END))

    # from where the function is not flat yet, towards the middle
    first = min(max(start, 6 - _END), _END - 6)
    second = first - math.copysign(0.5, first)
    found = minimize_scalar(within, bracket=(first, second), options={"xtol": 1e-7})
    return min(max(float(found.x), -_END), _END)


def _logit(p: float) -> float:
    return math.log(p) - math.log1p(-p)


def _expit(u: float) -> float:
    return 1 / (1 + math.exp(-u))
