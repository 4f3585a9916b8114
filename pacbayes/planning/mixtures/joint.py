"""The bound on a mixture's risk that pays KL once: of a finished run, or a forecast of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pacbayes.bounds import joint_kl, joint_kl_lower, mixture_log_wealth
from pacbayes.errors import InputError
from pacbayes.planning.mixtures.simplex import checked_weights, effective_sample_size

Floats: TypeAlias = NDArray[np.float64]

FORECAST_FITS = 40
"""So many fits, evenly taken from all, give a forecast's interval."""


@dataclass(frozen=True, kw_only=True)
class JointCertificate:
    """A bound on Σ a_k R_k.

    Attributes:
        value: The upper bound; the mean over fits of a forecast.
        interval: Where the risk lies with probability 1 − δ; of a forecast, where the upper bound
            of the run will lie; None if there is no lower end.
        status: `certificate` or `forecast`.
        weights: a, shape (K,).
        n: Units in each stratum, shape (K,).
        n_effective: 1/Σ(a_k²/n_k); 0 if a stratum with weight has no units.
        delta: Failure probability.
        bound: Name in `pacbayes.bounds`.
        statement: What it says, in words.
    """

    value: float
    interval: tuple[float, float] | None
    status: Literal["certificate", "forecast"]
    weights: Floats
    n: Floats
    n_effective: float
    delta: float
    bound: Literal["joint_kl", "mixture_log_wealth"]
    statement: str


def certify_mixture(
    *,
    weights: ArrayLike,
    empirical_risk: ArrayLike,
    n: ArrayLike,
    kl: float,
    delta: float,
) -> JointCertificate:
    """Certify Σ a_k R_k of a finished run from its strata's empirical risks; see `joint_kl`.

    It holds for all weights at once, so they may have been chosen on the sample. A stratum without
    units counts with risk 1.

    Args:
        weights: a, of sum 1, shape (K,): the run's own mixture, or the target's.
        empirical_risk: r̂_k, shape (K,), of any value where n_k is 0. If it was estimated from
            draws: its upper confidence bounds, whose failure probability adds to δ; the interval
            then has no meaning at its lower end.
        n: Independent units in each stratum, shape (K,).
        kl: KL(Q‖P) in nats.
        delta: Failure probability in (0, 1).

    Raises:
        InputError: An argument outside its domain.

    >>> found = certify_mixture(
    ...     weights=[0.5, 0.5], empirical_risk=[0.3, 0.05], n=[5000, 5000], kl=300.0, delta=0.05
    ... )
    >>> round(found.value, 4), found.status
    (0.2738, 'certificate')
    """
    risk = np.asarray(empirical_risk, float)
    a, sizes, _ = _strata(weights, n, risk.size)
    high, low = (_of_seen(bound, a, risk, sizes, kl, delta) for bound in (joint_kl, joint_kl_lower))
    return _certificate(a, sizes, high, max(low, 0.0), delta, "joint_kl")


def certify_fixed_mixture(
    *, weights: ArrayLike, losses: Sequence[ArrayLike], kl: float, delta: float
) -> JointCertificate:
    """Certify Σ a_k R_k from the losses, weights fixed before the sample; see `mixture_log_wealth`.

    Closer than `certify_mixture` where losses are graded. The target's weights are fixed, as a
    rule; a mixture chosen by looking at these losses is not.

    Args:
        weights: a, of sum 1, shape (K,).
        losses: For each stratum those of its units, in [0, 1], one dimension; may be empty.
        kl: KL(Q‖P) in nats.
        delta: Failure probability in (0, 1).

    Raises:
        InputError: An argument outside its domain.
    """
    a, sizes, seen = _strata(weights, [np.size(each) for each in losses], len(losses))
    used = np.flatnonzero(seen & (a > 0)).tolist()
    if not len(used):
        return _certificate(a, sizes, 0.0, None, delta, "mixture_log_wealth")
    try:
        high = mixture_log_wealth(
            weights=a[used], losses=[losses[k] for k in used], kl=kl, delta=delta
        )
    except ValueError as error:
        raise InputError(str(error)) from error
    return _certificate(a, sizes, high, None, delta, "mixture_log_wealth")


def forecast_certificate(
    *,
    weights: ArrayLike,
    train_weights: ArrayLike,
    budget: float,
    empirical_risk: ArrayLike,
    kl: ArrayLike,
    delta: float,
    level: float = 0.9,
) -> JointCertificate:
    """Forecast `certify_mixture` of a run on a mixture that has not been made.

    Each stratum's empirical risk and KL are those of a run of that budget on it alone; the
    mixture's KL is their mean under the train weights. Both are guesses.

    Args:
        weights: a, of sum 1, shape (K,), in the bound.
        train_weights: Shares in the training data, shape (K,).
        budget: Units to train on, at least 1.
        empirical_risk: Predicted of each stratum at this budget, shape (fits, K).
        kl: Likewise, in nats.
        delta: Failure probability in (0, 1).
        level: Of the interval.

    Raises:
        InputError: An argument outside its domain, or shapes that do not fit.
    """
    risks, nats = np.asarray(empirical_risk, float), np.asarray(kl, float)
    if risks.ndim != 2 or not risks.size or risks.shape != nats.shape:
        raise InputError(
            "`empirical_risk` and `kl` must have one shape (fits, strata), got "
            f"{risks.shape} and {nats.shape}."
        )
    shares = checked_weights(train_weights, risks.shape[1], "train_weights")
    if not 1 <= budget < np.inf:
        raise InputError(f"`budget` must be at least 1 and finite, got {budget}.")
    sizes = np.floor(shares * budget + 0.5)
    a, _, _ = _strata(weights, sizes, len(shares))
    bounds = [
        _of_seen(joint_kl, a, np.clip(risk, 0, 1), sizes, float(shares @ each), delta)
        for risk, each in zip(_some(risks), _some(nats), strict=True)
    ]
    values = np.array([_with_unseen(high, a, sizes) for high in bounds])
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    mean = float(values.mean())
    return JointCertificate(
        value=mean,
        interval=(min(float(low), mean), max(float(high), mean)),
        status="forecast",
        weights=a,
        n=sizes,
        n_effective=effective_sample_size(a, sizes),
        delta=delta,
        bound="joint_kl",
        statement=(
            f"A run of {budget:g} units on this mixture is forecast to be certified at "
            f"{mean:.4f}, paying KL once; no guarantee before it is made."
        ),
    )


def _certificate(
    weights: Floats,
    sizes: Floats,
    high: float,
    low: float | None,
    delta: float,
    bound: Literal["joint_kl", "mixture_log_wealth"],
) -> JointCertificate:
    value, unseen = _with_unseen(high, weights, sizes), float(np.sum(weights[sizes == 0]))
    blind = f" {unseen:.0%} of its weight is on strata without data." if unseen else ""
    return JointCertificate(
        value=value,
        interval=None if low is None else (low, value),
        status="certificate",
        weights=weights,
        n=sizes,
        n_effective=effective_sample_size(weights, sizes),
        delta=delta,
        bound=bound,
        statement=(
            f"With probability at least {1 - delta:g} the risk on this mixture is at most "
            f"{value:.4f}, paying KL once for all strata.{blind}"
        ),
    )


def _of_seen(
    bound: Callable[..., float],
    weights: Floats,
    risk: Floats,
    sizes: Floats,
    kl: float,
    delta: float,
) -> float:
    seen = sizes > 0
    try:
        return bound(
            coefficients=weights[seen],
            empirical_risk=risk[seen],
            kl=kl,
            n=sizes[seen],
            delta=delta,
        )
    except ValueError as error:
        raise InputError(str(error)) from error


def _with_unseen(bound: float, weights: Floats, sizes: Floats) -> float:
    """A stratum that was not seen may have any risk."""
    return min(1.0, float(np.nextafter(bound + float(np.sum(weights[sizes == 0])), 2.0)))


def _strata(
    weights: ArrayLike, n: ArrayLike, size: int
) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    a, sizes = checked_weights(weights, size, "weights"), np.asarray(n, float)
    if sizes.shape != a.shape or not np.all(np.isfinite(sizes) & (sizes >= 0)) or not sizes.any():
        raise InputError(
            f"`n` must count the units of each of {size} strata, not all 0, got {sizes.tolist()}."
        )
    return a, sizes, sizes > 0


def _some(rows: Floats) -> Floats:
    return rows[:: -(-len(rows) // FORECAST_FITS)]
