"""The Occam bound: one hypothesis and what its description costs."""

from __future__ import annotations

from numpy.typing import ArrayLike

from pacbayes.bounds._complexity import complexity
from pacbayes.bounds._domain import Array, FloatOrArray, require, require_finite, require_risk
from pacbayes.bounds.binary_kl import binary_kl_inverse_upper


def occam_kl(
    *, empirical_risk: ArrayLike, log_prior: ArrayLike, n: ArrayLike, delta: ArrayLike
) -> FloatOrArray:
    """With probability ≥ 1 − δ, for all h at once, R(h) ≤ kl⁺(r̂(h), (ln(1/P(h)) + ln(1/δ))/n).

    Chernoff's bound for each h at δ P(h), with Σ_h P(h) ≤ 1. Assumptions and errors as
    `seeger_maurer`.

    Args:
        empirical_risk: r̂(h) in [0, 1], the mean loss of the one hypothesis.
        log_prior: ln P(h) ≤ 0 in nats; for a prefix code of b bits −b ln 2, with every
            hyper-parameter that was chosen on the sample in the code.
        n: As `seeger_maurer`.
        delta: As `seeger_maurer`.

    Returns:
        An upper bound on R(h), at most 1.0.

    Reference: Blumer et al. (1987), Occam's Razor; Langford (2005), Tutorial on Practical
    Prediction Theory for Classification, section 4.

    >>> round(occam_kl(empirical_risk=0.02, log_prior=-300.0, n=30000, delta=0.05), 9)
    0.04668271
    """
    nats = -require_log_prior(log_prior)
    return binary_kl_inverse_upper(require_risk(empirical_risk), complexity(nats, n, delta))


def require_log_prior(log_prior: ArrayLike) -> Array:
    """Ln P(h), at most 0 and finite."""
    value = require_finite(log_prior, "log_prior")
    require(value <= 0, value, "log_prior", "be at most 0", "It is ln P(h): minus bits times ln 2.")
    return value
