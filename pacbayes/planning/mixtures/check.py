"""Runs on mixtures against the rules of mixing, which runs on single strata cannot tell apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import chi2

from pacbayes.errors import InputError
from pacbayes.learning_curves import Curves
from pacbayes.planning.mixtures.mixing import MIXING, MixingRule, mixed_risk
from pacbayes.planning.mixtures.simplex import checked_weights

Floats: TypeAlias = NDArray[np.float64]

REJECTED = 0.05
"""A rule with a smaller p-value is not used."""

DECISIVE = np.log(20.0)
"""How much more likely the runs must be by the bold rule than by the cautious one."""


@dataclass(frozen=True, kw_only=True)
class MixingCheck:
    """What the runs on mixtures say.

    Attributes:
        rule: The rule to use.
        trusted: Whether it describes the runs on mixtures; also true if there are none.
        n_runs: Number of those runs.
        miss: Root mean square of measured over forecast risk less 1, by this rule, beyond what
            finite tests and seeds explain; 0 without runs. No smaller gain is claimed.
        p_value: Of each rule: how often runs that follow it would miss its forecasts as much.
            Empty without runs.
        log_likelihood: Of each rule, for the same.
        statement: The same in words.
    """

    rule: MixingRule
    trusted: bool
    n_runs: int
    miss: float
    p_value: MappingProxyType[MixingRule, float]
    log_likelihood: MappingProxyType[MixingRule, float]
    statement: str


UNCHECKED = MixingCheck(
    rule="equivalent_budgets",
    trusted=True,
    n_runs=0,
    miss=0.0,
    p_value=MappingProxyType({}),
    log_likelihood=MappingProxyType({}),
    statement=(
        "No run was trained on a mixture: how strata add up is taken by the cautious rule "
        "(equivalent budgets); a few runs on mixtures would tell."
    ),
)
"""Without runs on mixtures."""


def check_mixing(
    *,
    curves: Sequence[Curves],
    target_weights: ArrayLike,
    train_weights: ArrayLike,
    budget: ArrayLike,
    risk: ArrayLike,
    n_test: ArrayLike,
    seed_correlation: float = 0.0,
) -> MixingCheck:
    """Choose the rule of mixing by runs on mixtures: the cautious one unless they decide otherwise.

    Misses are taken as normal, with the variance of the fits' forecasts and R(1 − R)(1/n_test + ρ),
    and as independent: if the fits are off together, all misses count against the rule, for a fit
    moved to where the runs are would not forecast the same gain. The bold rule, `averaged_curves`,
    is taken only if the runs are 20 times likelier by it and it is not rejected itself.

    Args:
        curves: As for `recommend_mixture`.
        target_weights: As there.
        train_weights: Of each run, shape (runs, K); none is needed.
        budget: Shape (runs,).
        risk: Measured target risk, in [0, 1], shape (runs,).
        n_test: Units that its error is that of, shape (runs,) or one for all.
        seed_correlation: ρ, see `LearningCurves.seed_correlation`.

    Raises:
        InputError: Shapes that do not fit, or values outside their domain.
    """
    rows, n, y, m = _checked(curves, train_weights, budget, risk, n_test)
    if not len(y):
        return UNCHECKED
    target = checked_weights(target_weights, len(curves), "target_weights")
    p_value: dict[MixingRule, float] = {}
    likelihood: dict[MixingRule, float] = {}
    miss: dict[MixingRule, float] = {}
    for rule in MIXING:
        forecasts = np.stack(
            [
                mixed_risk(rule, tuple(curves), target, a, size).risk
                for a, size in zip(rows, n.tolist(), strict=True)
            ],
            axis=1,
        )
        p_value[rule], likelihood[rule], miss[rule] = _fit(forecasts, y, 1 / m + seed_correlation)
    lead = likelihood["averaged_curves"] - likelihood["equivalent_budgets"]
    bold = p_value["averaged_curves"] >= REJECTED and lead >= DECISIVE
    rule = "averaged_curves" if bold else "equivalent_budgets"
    trusted = p_value[rule] >= REJECTED
    return MixingCheck(
        rule=rule,
        trusted=trusted,
        n_runs=len(y),
        miss=miss[rule],
        p_value=MappingProxyType(p_value),
        log_likelihood=MappingProxyType(likelihood),
        statement=_statement(rule, trusted, len(y), p_value[rule], miss[rule]),
    )


def _fit(forecasts: Floats, observed: Floats, share: Floats) -> tuple[float, float, float]:
    """Return p-value, log-likelihood and miss under forecasts of shape (fits, runs)."""
    mean = forecasts.mean(axis=0)
    noise = np.maximum(mean * (1 - mean) * share, 1e-12)
    squared = (observed - mean) ** 2
    variance = forecasts.var(axis=0) + noise
    distance = float(np.sum(squared / variance))
    return (
        float(chi2.sf(distance, len(observed))),
        -0.5 * (distance + float(np.sum(np.log(variance)))),
        float(np.sqrt(max(0.0, np.mean((squared - noise) / mean**2)))),
    )


def _statement(rule: MixingRule, trusted: bool, n_runs: int, p_value: float, miss: float) -> str:
    runs = f"{n_runs} run{'s' * (n_runs > 1)} on mixtures"
    name = rule.replace("_", " ")
    if not trusted:
        return f"The {runs} contradict the rules of mixing (p = {p_value:.2g} for {name})."
    return (
        f"The {runs} agree with {name} (p = {p_value:.2g}), which missed them by {miss:.1%} beyond "
        "noise."
    )


def _checked(
    curves: Sequence[Curves],
    train_weights: ArrayLike,
    budget: ArrayLike,
    risk: ArrayLike,
    n_test: ArrayLike,
) -> tuple[Floats, Floats, Floats, Floats]:
    if not len(curves):
        raise InputError("`curves` must have one entry for each test stratum, got none.")
    size = curves[0].asymptote.shape[1]
    y, n = np.asarray(risk, float), np.asarray(budget, float)
    rows = np.asarray(train_weights, float).reshape(-1, size) if not y.size else train_weights
    rows = np.asarray(rows, float)
    if y.ndim != 1 or n.shape != y.shape or rows.shape != (len(y), size):
        raise InputError(
            f"`train_weights` must have shape (runs, {size}), `budget` and `risk` one entry a run, "
            f"got {rows.shape}, {n.shape} and {y.shape}."
        )
    m = np.broadcast_to(np.asarray(n_test, float), y.shape)
    if not np.all((y >= 0) & (y <= 1)):
        raise InputError(f"`risk` must lie in [0, 1], got {y.tolist()}.")
    if not np.all(np.isfinite(n) & (n > 0)):
        raise InputError(f"`budget` must be positive and finite, got {n.tolist()}.")
    if not np.all(m >= 1):
        raise InputError(f"`n_test` must be at least 1, got {m.tolist()}.")
    return np.array([checked_weights(a, size, "train_weights") for a in rows]), n, y, m
