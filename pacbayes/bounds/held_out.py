"""Test-set bounds: what held-out data say of one predictor fixed without them.

No prior and no KL: the baseline beside which every PAC-Bayes bound is to be seen.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from pacbayes.bounds._complexity import complexity
from pacbayes.bounds._domain import FloatOrArray, plain, require_delta, require_losses, require_risk
from pacbayes.bounds.betting import lower_of, wealth_of
from pacbayes.bounds.binary_kl import binary_kl_inverse_lower, binary_kl_inverse_upper
from pacbayes.bounds.binomial_tail import (
    binomial_tail_inverse_lower,
    binomial_tail_inverse_upper,
    require_errors,
)


def test_set_binomial(*, n_errors: ArrayLike, n: ArrayLike, delta: ArrayLike) -> FloatOrArray:
    """Clopper–Pearson: the p at which at most `n_errors` of `n` has probability δ, rounded up.

    With probability ≥ 1 − δ over n independent trials the error probability is at most this. At
    any δ and n: in logarithms, without an inverse beta function.

    Args:
        n_errors: Observed errors, a whole number from 0 to n; any shape.
        n: Trials, at least 1; any shape that broadcasts, as the next.
        delta: Failure probability in (0, 1), one-sided; `test_set_binomial_lower` has its own.

    Returns:
        An upper bound on the error probability, at most 1.0.

    Raises:
        ValueError: An argument outside its domain.

    Reference: Clopper & Pearson (1934); Langford (2005), Tutorial on Practical Prediction Theory
    for Classification.

    >>> round(test_set_binomial(n_errors=600, n=30000, delta=0.05), 9)
    0.021381148
    """
    errors, size = require_errors(n_errors, n)
    return plain(binomial_tail_inverse_upper(errors, size, np.log(require_delta(delta))))


def test_set_binomial_lower(*, n_errors: ArrayLike, n: ArrayLike, delta: ArrayLike) -> FloatOrArray:
    """Lower Clopper–Pearson bound: the p at which at least `n_errors` has probability δ.

    On an event of its own: an interval of both costs 2δ. Arguments as `test_set_binomial`.

    >>> round(test_set_binomial_lower(n_errors=600, n=30000, delta=0.05), 9)
    0.018688316
    """
    errors, size = require_errors(n_errors, n)
    return plain(binomial_tail_inverse_lower(errors, size, np.log(require_delta(delta))))


def test_set_kl(*, empirical_risk: ArrayLike, n: ArrayLike, delta: ArrayLike) -> FloatOrArray:
    """With probability ≥ 1 − δ, R ≤ kl⁺(r̂, ln(1/δ)/n): losses in [0, 1], their mean only.

    Holds for independent losses, identically distributed or not (R is then the mean of their
    means). Arguments, result and errors as `test_set_binomial`, with r̂ in [0, 1].

    Reference: Hoeffding (1963), Theorem 1, in its kl form; Langford (2005).

    >>> round(test_set_kl(empirical_risk=0.02, n=30000, delta=0.05), 9)
    0.022042806
    """
    return binary_kl_inverse_upper(require_risk(empirical_risk), complexity(0.0, n, delta))


def test_set_kl_lower(*, empirical_risk: ArrayLike, n: ArrayLike, delta: ArrayLike) -> FloatOrArray:
    """Lower bound kl⁻(r̂, ln(1/δ)/n), on an event of its own; arguments as `test_set_kl`."""
    return binary_kl_inverse_lower(require_risk(empirical_risk), complexity(0.0, n, delta))


def test_set_betting(*, losses: ArrayLike, delta: float) -> float:
    """With probability ≥ 1 − δ, R ≤ sup{μ : Σ_k w_k Π_i (1 − λ_k ℓ_i)/(1 − λ_k μ) ≤ 1/δ}.

    The wealth of a fixed mixture of bets that the risk is below μ has mean 1 at μ = R (Ville).
    Adapts to the spread of the losses; valid after any number of independent, identically
    distributed losses chosen while looking. See `pacbayes.confidence.Betting` to stream them.

    Args:
        losses: In [0, 1], one dimension, at least one.
        delta: Failure probability in (0, 1), one-sided; `test_set_betting_lower` has its own.

    Returns:
        An upper bound on the risk, rounded up, at most 1.0.

    Raises:
        ValueError: An argument outside its domain.

    Reference: Waudby-Smith & Ramdas (2024), Estimating Means of Bounded Random Variables by
    Betting; the mixture over fixed bets is section 4 of Jang et al. (2023) without a prior.

    >>> round(test_set_betting(losses=[0.2, 0.21, 0.19, 0.2] * 100, delta=0.05), 3)
    0.209
    """
    require_delta(delta)
    return wealth_of(require_losses(losses, dimensions=1)).upper(delta)


def test_set_betting_lower(*, losses: ArrayLike, delta: float) -> float:
    """Lower betting bound, on an event of its own; arguments as `test_set_betting`."""
    require_delta(delta)
    return lower_of(wealth_of(1 - require_losses(losses, dimensions=1)).upper(delta))
