"""The log-wealth bound at a bet given beforehand, from the mean logarithm of the bets."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from pacbayes.bounds._complexity import complexity
from pacbayes.bounds._domain import Array, FloatOrArray, plain, require, require_finite
from pacbayes.bounds._rounding import CLOSE, ULP, risk_up
from pacbayes.bounds.xi import log_kt_constant


def log_wealth_at(
    *, mean_log: ArrayLike, lam: ArrayLike, kl: ArrayLike, n: ArrayLike, delta: ArrayLike
) -> FloatOrArray:
    """`log_wealth` at one λ, where its sum over the losses is known from elsewhere.

    With probability ≥ 1 − δ, for all n, Q and λ ∈ (0, 1), with T = (KL + ln(K(n)/δ))/n,

        R ≤ (1 − exp(m − T))/λ  for any m ≤ (1/n) Σ_i E_Q ln(1 − λ ℓ_i).

    So m may be a lower confidence bound, from posterior draws, at a δ of its own; then λ has to be
    fixed before those draws, though not before the sample.

    Args:
        mean_log: m in nats, at most 0; any shape.
        lam: λ in (0, 1); any shape that broadcasts.
        kl: As `seeger_maurer`.
        n: As `seeger_maurer`.
        delta: As `seeger_maurer`.

    Returns:
        The bound, rounded up, at most 1.0.

    Raises:
        ValueError: An argument outside its domain.

    Reference: as `log_wealth`.

    >>> m = (900 * np.log1p(-0.9 * 0.1) + 4100 * np.log1p(-0.9 * 0.2)) / 5000
    >>> round(log_wealth_at(mean_log=m, lam=0.9, kl=100.0, n=5000, delta=0.05), 4)
    0.2026
    """
    bet = require_finite(lam, "lam")
    require((bet > 0) & (bet < 1), bet, "lam", "lie in (0, 1)")
    logs = require_finite(mean_log, "mean_log")
    require(logs <= 0, logs, "mean_log", "be at most 0", "It is the mean of ln(1 − λ ℓ).")
    return plain(risk_up(-np.expm1(_exponent(logs, kl, n, delta)) / bet, 2 * CLOSE))


def log_wealth_at_lower(
    *, mean_log: ArrayLike, lam: ArrayLike, kl: ArrayLike, n: ArrayLike, delta: ArrayLike
) -> FloatOrArray:
    """Lower bound R ≥ (1 − exp(m − T))/λ for λ < 0, on the event of `log_wealth`.

    Arguments and errors as `log_wealth_at`, but λ is negative and m at least 0.
    """
    bet = require_finite(lam, "lam")
    require(bet < 0, bet, "lam", "be below 0")
    logs = require_finite(mean_log, "mean_log")
    require(logs >= 0, logs, "mean_log", "be at least 0", "It is the mean of ln(1 − λ ℓ), λ < 0.")
    with np.errstate(over="ignore"):
        value = np.expm1(_exponent(logs, kl, n, delta)) / -bet
    return plain(np.clip(np.nextafter(value * (1 - CLOSE), 0.0), 0.0, 1.0))


def _exponent(mean_log: Array, kl: ArrayLike, n: ArrayLike, delta: ArrayLike) -> Any:
    """M − T, not above the true value."""
    cost = complexity(kl, n, delta, log_kt_constant(n))
    return mean_log - cost - 4 * ULP * (np.abs(mean_log) + cost)
