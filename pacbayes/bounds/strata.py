"""Several strata at once: bounds on each, and on weighted sums of their risks."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from pacbayes.bounds._domain import (
    Array,
    FloatOrArray,
    require,
    require_complexity,
    require_delta,
    require_finite,
    require_n,
    require_risk,
)
from pacbayes.bounds._rounding import CLOSE, up
from pacbayes.bounds.binary_kl import binary_kl
from pacbayes.bounds.seeger_maurer import seeger_maurer, seeger_maurer_lower
from pacbayes.bounds.xi import log_xi
from pacbayes.ledger import DeltaLedger

_STEPS = 120
_TINY = 1e-300

LARGEST_WEIGHT = 1e100
"""Sums of larger coefficients would leave the range of float64."""


def simultaneous_kl(
    *,
    empirical_risk: ArrayLike,
    kl: float,
    n: ArrayLike,
    delta: float,
    weights: ArrayLike | None = None,
) -> FloatOrArray:
    """Upper kl bounds on the risks of several strata, which hold together.

    With probability ≥ 1 − δ, for all Q and d, kl(r̂_d‖R_d) ≤ (KL + ln(ξ(n_d)/(w_d δ)))/n_d.

    A union over the strata, which must be functions of the input fixed before the sample; the
    numbers n_d are taken as given.

    Args:
        empirical_risk: r̂_d, shape (strata,).
        kl: KL(Q‖P) in nats.
        n: n_d, independent units in each stratum, shape (strata,).
        delta: Failure probability in (0, 1), shared; `simultaneous_kl_lower` is on the same event.
        weights: Shares w_d > 0 of δ, fixed before the sample, summing to at most 1; equal by
            default.

    Returns:
        Upper bounds on the strata's risks, shape (strata,).

    Raises:
        ValueError: An argument outside its domain, or shares that sum to more than 1.

    >>> simultaneous_kl(
    ...     empirical_risk=[0.3, 0.05], kl=300.0, n=[5000, 5000], delta=0.05
    ... ).round(4).tolist()
    [0.4723, 0.1635]
    """
    share = _shares(delta, empirical_risk, kl, n, weights)
    return seeger_maurer(empirical_risk=empirical_risk, kl=kl, n=n, delta=share)


def simultaneous_kl_lower(
    *,
    empirical_risk: ArrayLike,
    kl: float,
    n: ArrayLike,
    delta: float,
    weights: ArrayLike | None = None,
) -> FloatOrArray:
    """Lower bounds on the strata's risks, on the event of `simultaneous_kl`."""
    share = _shares(delta, empirical_risk, kl, n, weights)
    return seeger_maurer_lower(empirical_risk=empirical_risk, kl=kl, n=n, delta=share)


def joint_kl(
    *, coefficients: ArrayLike, empirical_risk: ArrayLike, kl: float, n: ArrayLike, delta: float
) -> float:
    """Upper bound on a weighted sum of strata's risks, Σ_d a_d R_d, paying KL once.

    With probability ≥ 1 − δ, for all Q and a at once,

        Σ_d n_d kl(r̂_d‖R_d) ≤ KL + ln(Π_d ξ(n_d)/δ),

    and the bound is the largest Σ_d a_d R_d that this allows. KL is paid once for all strata, so
    that gaps and mixtures are bounded much closer than from bounds on each stratum. By the
    Lagrangian dual, each value of which is an upper bound: the search for the best multiplier
    cannot err inward. The strata are as in `simultaneous_kl`.

    Args:
        coefficients: a_d of any sign, shape (strata,): target weights for the risk of a mixture,
            (1, −1) for a gap. They may be chosen on the sample.
        empirical_risk: r̂_d, shape (strata,).
        kl: KL(Q‖P) in nats.
        n: n_d, shape (strata,).
        delta: Failure probability in (0, 1); `joint_kl_lower` is on the same event.

    Returns:
        An upper bound on Σ a_d R_d, at most the sum of the positive coefficients.

    Raises:
        ValueError: An argument outside its domain, or shapes that differ.

    Reference: the strata's exponential moments multiply as they are independent; then as Maurer
    (2004).

    >>> at = dict(empirical_risk=[0.3, 0.05], kl=300.0, n=[5000, 5000], delta=0.05)
    >>> gap = dict(coefficients=[1, -1], **at)
    >>> round(joint_kl_lower(**gap), 4), round(joint_kl(**gap), 4)
    (0.0719, 0.4349)
    """
    a, q, m, total = _joint_arguments(coefficients, empirical_risk, kl, n, delta)
    # empirical risks too small to compute with are moved to where the sum is larger
    q = np.where((q > 0) & (q < _TINY), np.where(a > 0, _TINY, 0.0), q)
    trivial = float(up(np.maximum(a, 0).sum()))
    scale = float(np.abs(a).max())
    if scale == 0 or not np.isfinite(total):
        return trivial
    tau = best_multiplier(a / scale, q, m, total) * scale
    value, size = _dual(tau, a, q, m)
    return min(
        trivial, float(np.nextafter(value + tau * total + 8 * CLOSE * (size + tau * total), np.inf))
    )


def joint_kl_lower(
    *, coefficients: ArrayLike, empirical_risk: ArrayLike, kl: float, n: ArrayLike, delta: float
) -> float:
    """Lower bound on Σ a_d R_d, on the event of `joint_kl` and with the same arguments."""
    return -joint_kl(
        coefficients=-require_finite(coefficients, "coefficients"),
        empirical_risk=empirical_risk,
        kl=kl,
        n=n,
        delta=delta,
    )


def mixture_hoeffding(
    *,
    weights: ArrayLike,
    empirical_risk: ArrayLike,
    kl: float,
    n: ArrayLike,
    delta: float,
    lam: float,
) -> float:
    """Upper bound on the risk of a mixture of strata, linear in KL.

    For fixed λ > 0, with probability ≥ 1 − δ, for all Q,

        Σ a_d R_d ≤ Σ a_d r̂_d + (KL + ln(1/δ))/λ + (λ/8) Σ a_d²/n_d.

    Looser than `joint_kl`, and convex in the weights: an objective for choosing a mixture, with
    the effective sample size 1/Σ(a_d²/n_d). Weights chosen by looking at the sample are certified
    by `joint_kl`, which holds for all of them, not by this.

    Args:
        weights: a_d, shape (strata,), fixed before the sample.
        empirical_risk: r̂_d, shape (strata,).
        kl: KL(Q‖P) in nats.
        n: n_d, shape (strata,).
        delta: Failure probability in (0, 1).
        lam: λ > 0, fixed before the sample.

    Returns:
        An upper bound on Σ a_d R_d, at most the sum of the positive weights.

    Raises:
        ValueError: An argument outside its domain, or shapes that differ.

    Reference: Hoeffding (1963), Lemma 1, and Donsker–Varadhan, as in Alquier, Ridgway & Chopin
    (2016), Theorem 4.1.

    >>> round(
    ...     mixture_hoeffding(
    ...         weights=[0.5, 0.5],
    ...         empirical_risk=[0.3, 0.05],
    ...         kl=300.0,
    ...         n=[5000, 5000],
    ...         delta=0.05,
    ...         lam=4924.0,
    ...     ),
    ...     4,
    ... )
    0.2981
    """
    a, q, m, _ = _joint_arguments(weights, empirical_risk, kl, n, delta)
    require(np.isfinite(lam) & (lam > 0), np.asarray(lam), "lam", "be above 0, and finite")
    cost = (require_complexity(kl) - np.log(require_delta(delta))) / lam
    spread = lam / 8 * (a**2 / m).sum()
    size = (np.abs(a) * q).sum() + cost + spread
    value = (a * q).sum() + cost + spread + 2 * CLOSE * len(a) * size
    return min(float(up(np.maximum(a, 0).sum())), float(value))


def best_multiplier(a: Array, q: Array, n: Array, total: float) -> float:
    """A τ > 0 near which the dual τ·total + Σ max_R (a R − τ n kl(q‖R)) is least."""
    # at the best τ the constraint is met: the divergence falls as τ rises
    low, high = -70.0, 70.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        at = best_risks(np.exp(middle), a, q, n)
        if float((n * np.minimum(binary_kl(q, at), 1e290)).sum()) > total:
            low = middle
        else:
            high = middle
    return float(np.exp((low + high) / 2))


def best_risks(tau: float, a: Array, q: Array, n: Array) -> Array:
    """argmax_R (a R − τ n kl(q‖R)): the root of a R² + (m − a) R − m q = 0, m = τ n."""
    m = tau * n
    difference, size = m - a, np.abs(a)
    # the discriminant as a sum of positive terms, for either sign of a
    root = np.sqrt((m - size) ** 2 + 4 * size * m * np.where(a < 0, 1 - q, q))
    with np.errstate(all="ignore"):
        at = np.where(
            difference > 0, 2 * m * q / (difference + root), (root - difference) / (2 * a)
        )
    # between q and the end that the sum grows towards
    return np.clip(np.where(a == 0, q, at), np.where(a > 0, q, 0.0), np.where(a > 0, 1.0, q))


def _dual(tau: float, a: Array, q: Array, n: Array) -> tuple[float, float]:
    """Σ max_R (a R − τ n kl(q‖R)), and the size of its parts."""
    at = best_risks(tau, a, q, n)
    divergence = binary_kl(q, at)
    cost = tau * n * divergence
    value = a * at - cost * (1 - 4 * CLOSE)
    # where R has been rounded to the end of [0, 1]: the linear part alone, which is larger
    value = np.where(np.isfinite(divergence), value, np.maximum(a, 0))
    size = np.abs(a) + np.where(np.isfinite(cost), cost, 0.0)
    return float(value.sum()), float(size.sum()) * max(1.0, np.log2(len(a)))


def _joint_arguments(
    coefficients: ArrayLike, empirical_risk: ArrayLike, kl: float, n: ArrayLike, delta: float
) -> tuple[Array, Array, Array, float]:
    a, q = require_finite(coefficients, "coefficients"), require_risk(empirical_risk)
    m = require_n(n)
    require(np.abs(a) <= LARGEST_WEIGHT, a, "coefficients", f"lie within ±{LARGEST_WEIGHT:g}")
    if a.ndim != 1 or a.shape != q.shape or a.shape != m.shape or a.size == 0:
        raise ValueError(
            "`coefficients`, `empirical_risk` and `n` must have one shape (strata,), got "
            f"{a.shape}, {q.shape} and {m.shape}."
        )
    total = require_complexity(kl) + np.sum(log_xi(m)) - np.log(require_delta(delta))
    return a, q, m, float(up(total, CLOSE * (1 + np.log2(len(m)))))


def _shares(
    delta: float,
    empirical_risk: ArrayLike,
    kl: ArrayLike,
    n: ArrayLike,
    weights: ArrayLike | None,
) -> Array:
    if np.ndim(n) != 1 or np.shape(empirical_risk) != np.shape(n):
        raise ValueError(
            "`empirical_risk` and `n` must have one shape (strata,), got "
            f"{np.shape(empirical_risk)} and {np.shape(n)}."
        )
    if np.size(n) == 0 or np.ndim(require_delta(delta)) or np.ndim(kl):
        raise ValueError("there must be at least one stratum, and one `kl` and `delta` for all.")
    ledger = DeltaLedger(delta)
    names = [f"stratum {d}" for d in range(np.size(n))]
    shares = None if weights is None else np.asarray(weights, dtype=np.float64).tolist()
    return np.array(ledger.split(names, shares))
