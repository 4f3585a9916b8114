"""The bets of the log-wealth bound where the losses under the posterior are known by draws.

The bound at λ needs a lower confidence bound on the mean of E_Q ln(1 − λ ℓ). Divided by ln(1 − λ),
the logarithm of the worst loss, that is the mean of variables in [0, 1], like a mean loss. λ is
settled from a pilot, before the draws.
"""

from __future__ import annotations

import math

import numpy as np

from pacbayes.bounds import binary_kl_inverse_lower, binary_kl_inverse_upper
from pacbayes.bounds._bets import log_bet
from pacbayes.bounds._domain import Array
from pacbayes.certificate import Bet

_GRID = np.linspace(-10.0, 12.0, 331)
"""Values of ln(λ/(1 − λ)), or of ln(−λ), that are tried."""


def log_shares(lam: Array | float, losses: Array) -> Array:
    """ln(1 − λ ℓ)/ln(1 − λ) of each loss: 0 for no loss, 1 for the worst."""
    return np.asarray(np.clip(log_bet(lam, losses) / log_bet(lam, 1.0), 0.0, 1.0))


def bet_from(lam: float, share: float) -> Bet:
    """The bet whose mean share is bounded: from above for λ > 0, from below for λ < 0."""
    slack = 1e-14 if lam > 0 else -1e-14
    mean_log = float(log_bet(lam, 1.0)) * share * (1 + slack)
    below = math.nextafter(mean_log, -math.inf)
    return Bet(lam=lam, mean_log=below if lam > 0 else max(0.0, below))


def shares_of(delta: float, n_bets: int) -> tuple[float, float]:
    """Shares of δ for the interval of the mean, both sides, and for each bet."""
    if n_bets == 0:
        return delta, 0.0
    return delta / 2, delta / 2 / n_bets


def choose_bets(
    pilot: Array, *, complexity: float, n_draws: float, delta: float
) -> tuple[float, float]:
    """The λ in (0, 1) and the λ below 0 that promise the best bounds on the risk.

    Args:
        pilot: Losses in [0, 1] under noise that is no draw of the certificate, shape (units,).
        complexity: T = (KL + ln(K(n)/δ))/n of the bound.
        n_draws: Draws that the mean share will be estimated from.
        delta: Failure probability of each estimate.

    >>> upper, lower = choose_bets(np.full(9, 0.2), complexity=0.02, n_draws=10**6, delta=0.01)
    >>> 0.9 < upper < 1, lower < -1
    (True, True)
    """
    cost = math.log(1 / delta) / n_draws
    above, upper = _tried(pilot, complexity, cost, upper=True)
    below, lower = _tried(pilot, complexity, cost, upper=False)
    return float(above[upper.argmin()]), float(below[lower.argmax()])


def promised(pilot: Array, *, complexity: float) -> float:
    """The upper bound at the best bet, were the pilot's mean loss the posterior's."""
    _, upper = _tried(pilot, complexity, 0.0, upper=True)
    return min(1.0, float(upper.min()))


def _tried(pilot: Array, complexity: float, cost: float, *, upper: bool) -> tuple[Array, Array]:
    """Bets, and the bounds that they promise; `cost` is that of estimating their mean shares."""
    lams = 1 / (1 + np.exp(-_GRID)) if upper else -np.exp(_GRID)
    shares = log_shares(lams[:, None], pilot).mean(axis=1).clip(max=1.0)
    inverse = binary_kl_inverse_upper if upper else binary_kl_inverse_lower
    mean_logs = log_bet(lams, 1.0) * inverse(shares, cost)
    return lams, np.asarray(-np.expm1(mean_logs - complexity) / lams)
