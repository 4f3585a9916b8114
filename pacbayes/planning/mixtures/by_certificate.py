"""Weights of least certificate, by convex optimisation with a certified optimality gap."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize, minimize_scalar

from pacbayes.errors import InputError
from pacbayes.planning.mixtures.simplex import checked_weights, effective_sample_size

Floats: TypeAlias = NDArray[np.float64]
GapTerm = Literal["none", "total_variation", "one_sided_lipschitz"]

GAP_TERMS: tuple[GapTerm, ...] = ("none", "total_variation", "one_sided_lipschitz")
"""What may stand for the extrapolation gap: 0, ½Σ|a_k − v_k|, L∫(F_a − F_v)₊."""

_METHODS: tuple[tuple[str, dict[str, float]], ...] = (
    ("L-BFGS-B", {"ftol": 1e-16, "gtol": 1e-12, "maxiter": 2000}),
    ("SLSQP", {"ftol": 1e-16, "maxiter": 200}),
)


@dataclass(frozen=True, kw_only=True)
class CertificateMixture:
    """Weights that minimise the bound, and its parts there.

    Attributes:
        weights: a, shape (K,).
        bound: The sum of the next four.
        empirical_risk: Σ a_k r̂_k.
        complexity: (KL + ln(1/δ))/λ.
        spread: (λ/8) Σ a_k²/n_k.
        extrapolation_gap: The gap term.
        lam: λ.
        n_effective: 1/Σ(a_k²/n_k).
        duality_gap: No weights have a bound below `bound − duality_gap` at this λ.
        gap_term: Among `GAP_TERMS`.
    """

    weights: Floats
    bound: float
    empirical_risk: float
    complexity: float
    spread: float
    extrapolation_gap: float
    lam: float
    n_effective: float
    duality_gap: float
    gap_term: GapTerm


def least_certificate_mixture(
    *,
    empirical_risk: ArrayLike,
    n: ArrayLike,
    kl: float,
    delta: float,
    lam: float | None = None,
    gap_term: GapTerm = "none",
    target_weights: ArrayLike | None = None,
    difficulties: ArrayLike | None = None,
    lipschitz: float = 1.0,
) -> CertificateMixture:
    """Minimise Σ a_k r̂_k + (KL + ln(1/δ))/λ + (λ/8) Σ a_k²/n_k + gap(a, v) over weights a.

    The gap terms are maxima of s·M(a − v) over a box of s. At given s the least over a is known in
    closed form (water filling), and is a lower bound on all weights' bounds: the best s gives both
    the weights and the gap that proves them.

    The bound holds for weights and λ fixed beforehand. Those found here are a choice: certify them
    with `pacbayes.bounds.joint_kl`, which holds for all weights at once.

    Args:
        empirical_risk: r̂_k in [0, 1], shape (K,).
        n: Units in each stratum, shape (K,); a stratum of 0 costs infinitely much and gets 0.
        kl: KL(Q‖P) in nats.
        delta: Failure probability in (0, 1).
        lam: λ > 0; by default the best (the bound is jointly convex in the weights and 1/λ).
        gap_term: Among `GAP_TERMS`.
        target_weights: v, of sum 1, shape (K,), if there is a gap term.
        difficulties: Rising, shape (K,), for the Lipschitz term.
        lipschitz: L ≥ 0, by how much at most risk rises from one difficulty to the next unit.

    Raises:
        InputError: An argument outside its domain, or shapes that do not fit.

    >>> found = least_certificate_mixture(
    ...     empirical_risk=[0.1, 0.1], n=[3000, 1000], kl=20.0, delta=0.05
    ... )
    >>> found.weights.round(6).tolist(), round(found.n_effective)
    ([0.75, 0.25], 4000)
    """
    risk, size = np.asarray(empirical_risk, float), np.asarray(n, float)
    _require_strata(risk, size, kl, delta, lam)
    box = _box(gap_term, risk.size, target_weights, difficulties, lipschitz)
    cost = kl - np.log(delta)
    some = size > 0
    rows = _Box(matrix=box.matrix[:, some], offset=box.offset, low=box.low, high=box.high)

    def solved(lam: float) -> tuple[Floats, float, float]:
        a, lower = _dual(risk[some], lam / (4 * size[some]), rows)
        value = float(a @ risk[some] + lam / 8 * np.sum(a**2 / size[some]) + rows.gap(a))
        return a, value + cost / lam, max(0.0, value - lower)

    if lam is None:
        ends = np.log(np.sqrt(8 * cost * np.array([0.9 * size[some].min(), 1.1 * size.sum()])))
        lam = float(
            np.exp(
                minimize_scalar(
                    lambda x: solved(float(np.exp(x)))[1],
                    bounds=ends,
                    method="bounded",
                    options={"xatol": 1e-9},
                ).x
            )
        )
    weights = np.zeros(risk.size)
    weights[some], bound, gap = solved(lam)
    return CertificateMixture(
        weights=weights,
        bound=bound,
        empirical_risk=float(weights @ risk),
        complexity=float(cost / lam),
        spread=float(lam / 8 * np.sum(weights[some] ** 2 / size[some])),
        extrapolation_gap=box.gap(weights),
        lam=float(lam),
        n_effective=effective_sample_size(weights, size),
        duality_gap=gap,
        gap_term=gap_term,
    )


@dataclass(frozen=True, kw_only=True)
class _Box:
    """A gap as max over low ≤ s ≤ high of s·(M a − offset)."""

    matrix: Floats
    offset: Floats
    low: Floats
    high: Floats

    def gap(self, weights: Floats) -> float:
        moved = self.matrix @ weights - self.offset
        return float(np.sum(np.maximum(self.low * moved, self.high * moved)))


def _box(
    gap_term: GapTerm,
    size: int,
    target_weights: ArrayLike | None,
    difficulties: ArrayLike | None,
    lipschitz: float,
) -> _Box:
    if gap_term not in GAP_TERMS:
        raise InputError(f"`gap_term` must be among {', '.join(GAP_TERMS)}, got {gap_term!r}.")
    if gap_term == "none":
        return _Box(
            matrix=np.zeros((0, size)), offset=np.zeros(0), low=np.zeros(0), high=np.zeros(0)
        )
    if target_weights is None:
        raise InputError(f"`target_weights` must be given for the gap term {gap_term}.")
    v = checked_weights(target_weights, size, "target_weights")
    if gap_term == "total_variation":
        half = np.full(size, 0.5)
        return _Box(matrix=np.eye(size), offset=v, low=-half, high=half)
    d = np.asarray(() if difficulties is None else difficulties, float)
    if d.shape != (size,) or not np.all(np.diff(d) > 0):
        raise InputError(
            f"`difficulties` must rise, one for each of {size} strata, got {d.tolist()}."
        )
    if not 0 <= lipschitz < np.inf:
        raise InputError(f"`lipschitz` must be at least 0 and finite, got {lipschitz}.")
    below = np.tri(size)[:-1]
    steps = lipschitz * np.diff(d)
    return _Box(matrix=below, offset=below @ v, low=np.zeros(size - 1), high=steps)


def _dual(cost: Floats, curvature: Floats, box: _Box) -> tuple[Floats, float]:
    """Return weights and a lower bound on min_a cost·a + ½Σ curvature a² + gap(a)."""

    def negative(s: Floats) -> tuple[float, Floats]:
        linear = cost + box.matrix.T @ s
        a = _water_filling(linear, curvature)
        value = linear @ a + 0.5 * curvature @ a**2 - s @ box.offset
        return -float(value), box.offset - box.matrix @ a

    s = (box.low + box.high) / 2
    bounds = list(zip(box.low, box.high, strict=True))
    # each may stop short of the other's digits where the dual has edges
    for method, options in _METHODS if len(s) else ():
        tried = minimize(negative, s, jac=True, method=method, bounds=bounds, options=options).x
        tried = np.clip(tried, box.low, box.high)
        s = min(s, tried, key=lambda point: negative(point)[0])
    weights = _water_filling(cost + box.matrix.T @ s, curvature)
    return weights, -negative(s)[0]


def _water_filling(cost: Floats, curvature: Floats) -> Floats:
    """Return argmin over the simplex of cost·a + ½Σ curvature a²: a = (μ − cost)₊/curvature."""
    order = np.argsort(cost, kind="stable")
    width = 1 / curvature[order]
    levels = (1 + np.cumsum(cost[order] * width)) / np.cumsum(width)
    # as many strata as the level of those before covers
    used = int(np.count_nonzero(levels > cost[order]))
    weights = np.maximum(levels[max(used, 1) - 1] - cost, 0) / curvature
    normalised: Floats = weights / weights.sum()
    return normalised


def _require_strata(risk: Floats, size: Floats, kl: float, delta: float, lam: float | None) -> None:
    if risk.ndim != 1 or not risk.size or risk.shape != size.shape:
        raise InputError(
            "`empirical_risk` and `n` must have one shape (strata,), got "
            f"{risk.shape} and {size.shape}."
        )
    if not np.all((risk >= 0) & (risk <= 1)):
        raise InputError(
            f"`empirical_risk` must lie in [0, 1], got {risk.tolist()}; the usual mistake is a "
            "percentage."
        )
    if not np.all(np.isfinite(size) & (size >= 0)) or not size.any():
        raise InputError(
            f"`n` must count units, at least 0 and some above it, got {size.tolist()}."
        )
    if not 0 <= kl < np.inf:
        raise InputError(f"`kl` must be at least 0 nats and finite, got {kl}.")
    if not 0 < delta < 1:
        raise InputError(f"`delta` must lie in (0, 1), got {delta}; it is a failure probability.")
    if lam is not None and not 0 < lam < np.inf:
        raise InputError(f"`lam` must be above 0 and finite, got {lam}.")
