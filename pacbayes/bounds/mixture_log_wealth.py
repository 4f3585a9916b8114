"""The risk of a mixture of strata from every loss, paying KL once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from pacbayes.bounds._bets import log_bet
from pacbayes.bounds._domain import (
    Array,
    require,
    require_complexity,
    require_delta,
    require_finite,
    require_grid,
    require_losses,
)
from pacbayes.bounds._rounding import CLOSE, up
from pacbayes.bounds.strata import LARGEST_WEIGHT
from pacbayes.ledger import DeltaLedger

GRID = tuple((1 / (1 + np.exp(-np.linspace(-6.0, 3.0, 19)))).tolist())
"""The largest λ of a stratum that is tried, in steps of ln(λ/(1 − λ)); fixed before the sample."""

_STEPS = 120


def mixture_log_wealth(
    *,
    weights: ArrayLike,
    losses: Sequence[ArrayLike],
    kl: float,
    delta: float,
    grid: ArrayLike = GRID,
) -> float:
    """Upper bound on the risk of a mixture, Σ_d t_d R_d, from every loss.

    For fixed λ_d in (0, 1), with probability ≥ 1 − δ, for all Q,

        Σ_d n_d [−ln(1 − λ_d R_d)] ≤ Σ_d Σ_i E_Q[−ln(1 − λ_d ℓ_di)] + KL + ln(1/δ),

    as Π (1 − λ_d ℓ_di)/(1 − λ_d R_d) has mean 1; Jensen in R_d. The bound is the largest Σ t_d R_d
    that this allows, by its dual, for the best of a grid of K choices at δ/K each. Choice k has
    λ_d = λ_k (t_d/n_d)/max_e (t_e/n_e), which depends on no loss. The strata and their numbers n_d
    are taken as given, as in `simultaneous_kl`.

    Args:
        weights: Target weights t_d ≥ 0, shape (strata,), fixed before the sample; not all 0.
        losses: For each stratum the losses in [0, 1] of its examples: shape (n_d,), or (atoms,
            n_d) for a posterior with equal mass on so many.
        kl: KL(Q‖P) in nats.
        delta: Failure probability in (0, 1).
        grid: λ_k in (0, 1), chosen without the sample.

    Returns:
        An upper bound on Σ t_d R_d, at most Σ t_d.

    Raises:
        ValueError: An argument outside its domain, or as many strata of losses as weights.

    Reference: as `log_wealth`, for fixed bets; for one stratum it is Catoni's bound (2007) when
    losses are 0 or 1.

    >>> strata = [[0.0] * 900 + [1.0] * 100, [0.0] * 4000 + [1.0] * 1000]
    >>> round(mixture_log_wealth(weights=[0.5, 0.5], losses=strata, kl=50.0, delta=0.05), 4)
    0.2246
    """
    strata = Strata.of(weights, losses)
    nats = float(require_complexity(kl))
    trivial = float(up(strata.weights.sum(), CLOSE * len(strata.n)))
    if math.isinf(nats):
        return trivial
    return min(trivial, best_bet(strata, nats, delta, grid).bound)


@dataclass(frozen=True, kw_only=True)
class Bet:
    """The bound at one λ of the grid, and the multiplier μ of the dual that gave it."""

    bound: float
    lam: float
    mu: float


def best_bet(strata: Strata, nats: float, delta: float, grid: ArrayLike) -> Bet:
    """The λ of the grid that gives the least bound, each at its share of δ."""
    parameters = require_grid(grid, 0, 1)
    share = DeltaLedger(float(require_delta(delta))).split([f"λ = {x:g}" for x in parameters])[0]
    tried = (_bet(strata, float(lam), nats - math.log(share)) for lam in parameters)
    return min(tried, key=lambda bet: bet.bound)


@dataclass(frozen=True, kw_only=True)
class Strata:
    """Target weights, distinct losses with their numbers, and sizes."""

    weights: Array
    losses: tuple[tuple[Array, Array], ...]
    n: Array

    @classmethod
    def of(cls, weights: ArrayLike, losses: Sequence[ArrayLike]) -> Strata:
        """Checked arguments."""
        t = require_finite(weights, "weights")
        require(t >= 0, t, "weights", "be at least 0")
        require(t <= LARGEST_WEIGHT, t, "weights", f"be at most {LARGEST_WEIGHT:g}")
        if t.ndim != 1 or len(t) != len(losses) or not t.any():
            raise ValueError(
                "`weights` must have one entry for each stratum of `losses`, not all 0, got shape "
                f"{t.shape} for {len(losses)}."
            )
        distinct, sizes = [], []
        for stratum in losses:
            values = require_losses(stratum)
            found, counts = np.unique(values, return_counts=True)
            sizes.append(values.shape[-1])
            distinct.append((found, counts * (values.shape[-1] / values.size)))
        return cls(weights=t, losses=tuple(distinct), n=np.array(sizes, dtype=np.float64))

    def bets(self, lam: float) -> Array:
        """λ_d for the largest, λ."""
        ratio = self.weights / self.n
        return np.asarray(lam * (ratio / ratio.max()))


def _bet(strata: Strata, lam: float, cost: float) -> Bet:
    t, n, bets = strata.weights, strata.n, strata.bets(lam)
    spent = [
        -math.fsum(log_bet(bet, values) * counts)
        for bet, (values, counts) in zip(bets, strata.losses, strict=True)
    ]
    total = float(up(math.fsum(spent) + cost, 4 * CLOSE))
    low, high = -60.0, 60.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        risks = _best_risks(math.exp(middle), t, n, bets)
        if float(-(n * log_bet(bets, risks)).sum()) > total:
            low = middle
        else:
            high = middle
    mu = math.exp((low + high) / 2)
    risks = _best_risks(mu, t, n, bets)
    gain, price = t * risks, -mu * n * log_bet(bets, risks)
    size = float(gain.sum() + price.sum()) + mu * total
    value = mu * total + float(gain.sum() - price.sum()) + 8 * CLOSE * len(n) * size
    return Bet(bound=math.nextafter(value, math.inf), lam=lam, mu=mu)


def _best_risks(mu: float, t: Array, n: Array, bets: Array) -> Array:
    """Argmax of t R + μ n ln(1 − λ R) over [0, 1]."""
    with np.errstate(all="ignore"):
        risks = (1 - mu * n * bets / t) / bets
    return np.clip(np.where(t > 0, risks, 0.0), 0.0, 1.0)
