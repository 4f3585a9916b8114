"""The inverse of the binomial tail, in logarithms, so that no δ is too small and no n too large.

ln P(Bin(n, p) ≤ k) is the log of the largest term, from Stirling's series and two deviances in
which nothing cancels (Loader 2000), plus the log of the sum of the terms relative to it, whose
ratios are log-concave. Long sums are taken in blocks, each bounded from above by a geometric sum,
so that the result errs outward.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from pacbayes.bounds._domain import Array, require, require_finite, require_n
from pacbayes.bounds.binary_kl import binary_kl_inverse_upper

_MOST_STEPS = 60
_BLOCKS = 4096
_MOST_LOGIT = 708.0
"""Beyond, 1 − p nears the smallest normal float64 number and is given as 0."""

_FARTHEST = 690.0
"""Beyond so many nats for each trial without an error 1 − p is too small for float64: p is
given as 1."""

_MOST_TERMS = 2_000_000
"""Terms summed one by one; a longer sum is taken in blocks."""


def require_errors(n_errors: ArrayLike, n: ArrayLike) -> tuple[Array, Array]:
    """Whole numbers of errors from 0 to n, and n."""
    size, errors = require_n(n), require_finite(n_errors, "n_errors")
    require(
        (errors >= 0) & (errors <= size) & (errors == np.floor(errors)),
        errors,
        "n_errors",
        "be a whole number from 0 to n",
        "It is a count, not a rate.",
    )
    return errors, size


def binomial_tail_inverse_upper(n_errors: Array, n: Array, log_delta: Array) -> Array:
    """The p with P(Bin(n, p) ≤ n_errors) = δ, rounded up; `log_delta` = ln δ < 0, any shapes."""
    solve = np.vectorize(lambda k, m, log: _upper(k, m, log)[0], otypes=[np.float64])
    return np.asarray(solve(n_errors, n, log_delta))


def binomial_tail_inverse_lower(n_errors: Array, n: Array, log_delta: Array) -> Array:
    """The p with P(Bin(n, p) ≥ n_errors) = δ, rounded down."""
    # k errors with probability p are n − k successes with probability 1 − p
    solve = np.vectorize(lambda k, m, log: _upper(m - k, m, log)[1], otypes=[np.float64])
    return np.asarray(solve(n_errors, n, log_delta))


def _upper(k: float, n: float, log_delta: float) -> tuple[float, float]:
    """The root p rounded up, and 1 − p rounded down."""
    if k == n:
        return 1.0, 0.0
    if k == 0:
        # (1 − p)^n = δ
        log = log_delta / n * (1 + 2.0**-50)
        return min(1.0, math.nextafter(-math.expm1(log), 1.0)), math.exp(log) * (1 - 2.0**-51)
    # Chernoff's bound is right of the root, and so is each of Newton's steps from there, as the
    # log of the tail is concave and decreasing in the logit of p
    logit = _chernoff_logit(k, n, log_delta)
    for _ in range(_MOST_STEPS):
        value, slope, error = _log_tail(k, n, logit)
        step = (value - (log_delta - error)) / slope
        if abs(step) <= max(4e-16 * max(1.0, abs(logit)), 0.25 * error / -slope):
            break
        logit = min(logit - step, _MOST_LOGIT)
    # back right of the root, if rounding has led past it
    nudge = 2e-16 * max(1.0, abs(logit))
    for _ in range(_MOST_STEPS):
        value, _, error = _log_tail(k, n, logit)
        if value <= log_delta - error:
            break
        logit += nudge
        if logit > _MOST_LOGIT:
            return 1.0, 0.0
        nudge *= 2
    else:
        return 1.0, 0.0
    p, rest = _expit(logit), _expit(-logit)
    return min(1.0, p * (1 + 2.0**-50)), max(0.0, rest * (1 - 2.0**-50))


def _chernoff_logit(k: float, n: float, log_delta: float) -> float:
    p = float(binary_kl_inverse_upper(k / n, -log_delta / n))
    if p < 0.5:
        return math.log(p / (1 - p))
    # 1 − p with its own precision: kl⁻ of the share of successes would round it inward
    rest = (n - k) / n * math.exp(-(-log_delta / n + 1) * n / (n - k)) if p == 1 else 1 - p
    rest = max(rest, 1e-300)
    return math.log1p(-rest) - math.log(rest)


def _expit(logit: float) -> float:
    if logit >= 0:
        return 1 / (1 + math.exp(-logit))
    e = math.exp(logit)
    return e / (1 + e)


def _log_tail(k: float, n: float, logit: float) -> tuple[float, float, float]:
    """Ln P(Bin(n, p) ≤ k) for 0 < k < n, its derivative by the logit, and a bound on its error."""
    p, rest = _expit(logit), _expit(-logit)
    below, above = _deviance(k, n * p), _deviance(n - k, n * rest)
    log_term = (
        (_stirling_error(n) - _stirling_error(k) - _stirling_error(n - k))
        - (below + above)
        - 0.5 * math.log(2 * math.pi * k * ((n - k) / n))
    )
    total = _relative_sum(k, n, rest / p)
    shift = abs(n * p - k) + abs(n * rest - (n - k))
    error = 2.0**-50 * (shift + below + above + abs(log_term) + 30)
    value = log_term + math.log(total)
    return value, -(n - k) * p / total, error


def _deviance(x: float, mean: float) -> float:
    """X ln(x/mean) + mean − x ≥ 0."""
    ratio = (mean - x) / x
    if abs(ratio) < 0.25:
        t = ratio / (2 + ratio)
        t2 = t * t
        tail = sum(t2**i / (2 * i + 3) for i in range(9))
        return x * (t * (ratio - 2 * t2 * tail))
    return x * (ratio - math.log(mean / x))


def _stirling_error(n: float) -> float:
    """Ln n! − ln(√(2πn) (n/e)^n)."""
    if n < 16:
        return math.lgamma(n + 1) - (n + 0.5) * math.log(n) + n - 0.5 * math.log(2 * math.pi)
    m = n * n
    return (1 / 12 - (1 / 360 - (1 / 1260 - (1 / 1680 - 1 / (1188 * m)) / m) / m) / m) / n


def _relative_sum(k: float, n: float, odds: float) -> float:
    """Σ_{j≥0} P(k − j)/P(k), not below the true value but for rounding.

    The ratio P(k − i − 1)/P(k − i) = (k − i)/(n − k + 1 + i) · odds falls with i; its logarithm is
    concave, so that the ratio at the middle of a block is at least the geometric mean in it.
    """
    block, total, term, first = 1.0, 1.0, 1.0, 0.0
    wanted = _terms_wanted(k, n, odds)
    if wanted > _MOST_TERMS:
        block = math.ceil(wanted / _MOST_TERMS)
    while True:
        i = first + block * np.arange(_BLOCKS)
        start = np.maximum((k - i) / (n - k + 1 + i) * odds, 0.0)
        if block == 1:
            terms = term * np.cumprod(start)
            total += float(terms.sum())
            term = float(terms[-1])
        else:
            half = (block - 1) / 2
            middle = np.maximum((k - i - half) / (n - k + 1 + i + half) * odds, 0.0)
            ends = term * np.cumprod(middle**block)
            starts = np.concatenate([[term], ends[:-1]])
            # start r + start r² + … + start r^block with the block's first and largest ratio r
            powers = start**block
            with np.errstate(all="ignore"):
                sums = np.where(
                    np.abs(1 - start) * block < 1e-4,
                    block * np.maximum(start, powers),
                    start * (1 - powers) / (1 - start),
                )
            total += float((starts * sums).sum())
            term = float(ends[-1])
        first += block * _BLOCKS
        ratio = max((k - first) / (n - k + 1 + first) * odds, 0.0)
        if ratio == 0 or term == 0 or (ratio < 1 and term * ratio / (1 - ratio) < 1e-17 * total):
            rest = term * ratio / (1 - ratio) if ratio < 1 else 0.0
            return (total + rest) * (1 + 2.0**-46)


def _terms_wanted(k: float, n: float, odds: float) -> float:
    """About how many terms count."""
    log_first = math.log(max(k, 1) / (n - k + 1) * odds)
    curvature = n / (max(k, 1) * (n - k + 1))  # fall of the log of the ratio per term
    if log_first < 0:
        return 40 / (-log_first + math.sqrt(40 * curvature))
    return log_first / curvature + 9 / math.sqrt(curvature)
