"""An adversary against every theorem that takes 0-1 losses, with exact probabilities.

H hypotheses have independent numbers of errors Bin(n, R); after seeing them the posterior sits on
the luckiest, at KL = ln H from the uniform prior. That its bound fails is the event that at least
one of H counts is too small, whose probability is a binomial tail: nothing is simulated.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import binom

from pacbayes import bounds
from pacbayes.bounds import BOUNDS, Bound, binary_kl_inverse_upper
from pacbayes.selftest.bench import Bench
from pacbayes.selftest.finding import Finding

DELTA = 0.1
RISKS = (0.1, 0.2, 0.3, 0.5, 0.7)
SAMPLES = tuple((n, hypotheses) for n in (50, 100, 1000) for hypotheses in (1, 2000, 10**6))

Array = npt.NDArray[np.float64]
OfErrors = Callable[[Array, float, int], Array]
"""Bounds for each number of errors, given KL and n."""

_CONSTANTS: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {
        "catoni": {"c": 1.0},
        "log_wealth_at": {"lam": 0.5},
        "sub_gaussian": {"sigma": 0.5},
        "split_kl": {"mu": 0.5},
    }
)
"""Constants of theorems, fixed before the sample; Hoeffding's lemma for the sub-Gaussian one."""


def check(bench: Bench) -> Iterator[Finding]:
    """Failure rates of every bound that applies, then of mutants; `bench` is not asked."""
    yield worst_of("P(bound fails), largest over {} theorems at δ = 0.1", _upper_bounds(), above)
    yield worst_of("P(lower bound fails), largest over {} theorems", _lower_bounds(), below)
    for name, mutant in MUTANTS.items():
        yield Finding(
            what=f"P(bound fails), {name}",
            figure=max(above(mutant, n, hypotheses) for n, hypotheses in SAMPLES),
            limit=2 * DELTA,
            at_least=True,
        )


def worst_of(
    title: str,
    tried: Mapping[str, tuple[Bound, OfErrors]],
    fails: Callable[[OfErrors, int, int], float],
) -> Finding:
    """The largest failure rate over theorems, sample sizes, numbers of hypotheses and risks."""
    rates = {
        name: max(fails(function, n, hypotheses) for n, hypotheses in _samples(bound))
        for name, (bound, function) in tried.items()
    }
    worst = max(rates, key=lambda name: rates[name])
    return Finding(what=f"{title.format(len(rates))}: {worst}", figure=rates[worst], limit=DELTA)


def above(function: OfErrors, n: int, hypotheses: int) -> float:
    """Probability that the luckiest hypothesis's bound lies below its risk, at the worst risk."""
    upper = function(np.arange(n + 1.0), math.log(hypotheses), n)
    most = [np.flatnonzero(~(upper >= risk)).max(initial=-1) for risk in RISKS]
    return _any(float(binom.cdf(most, n, RISKS).max()), hypotheses)


def below(function: OfErrors, n: int, hypotheses: int) -> float:
    """Probability that the unluckiest hypothesis's lower bound is above its risk, at the worst."""
    lower = function(np.arange(n + 1.0), math.log(hypotheses), n)
    fewest = [np.flatnonzero(~(lower <= risk)).min(initial=n + 1) for risk in RISKS]
    return _any(float(binom.sf(np.array(fewest) - 1, n, RISKS).max()), hypotheses)


def _any(one: float, hypotheses: int) -> float:
    """Probability that at least one of many independent events happens."""
    return -math.expm1(hypotheses * math.log1p(-one)) if one < 1 else 1.0


def _samples(bound: Bound) -> tuple[tuple[int, int], ...]:
    """Test-set bounds know no KL: they hold for one hypothesis."""
    pac_bayes = {"kl", "log_prior"} & set(bound.needs)
    return tuple((n, h) for n, h in SAMPLES if pac_bayes or h == 1)


def _known(errors: Array, kl: float, n: int, name: str) -> dict[str, Any]:
    """What theorems take of a sample of 0-1 losses."""
    risk = errors / n
    constants = dict(_CONSTANTS.get(name, {}))
    known: dict[str, Any] = {
        "empirical_risk": risk,
        "n_errors": errors,
        "n": n,
        "kl": kl,
        "log_prior": -kl,
        "second_moment": risk,
        "variance": risk * (n - errors) / (n - 1),
        "excess": risk / 2,
        "delta": DELTA,
    }
    if "lam" in constants:
        known["mean_log"] = risk * math.log1p(-constants["lam"])
    return known | constants


def _applies(name: str, bound: Bound) -> bool:
    needs = {need for need in bound.needs if not need.startswith("[")}
    return needs <= _known(np.zeros(1), 0.0, 2, name).keys()


def _of_errors(name: str, function: Callable[..., Any], needs: tuple[str, ...]) -> OfErrors:
    def evaluated(errors: Array, kl: float, n: int) -> Array:
        known = _known(errors, kl, n, name)
        taken = {need: known[need] for need in (*needs, "delta") if need in known}
        return np.asarray(function(**taken))

    return evaluated


def _upper_bounds() -> dict[str, tuple[Bound, OfErrors]]:
    return {
        name: (bound, _of_errors(name, bound.function, bound.needs))
        for name, bound in BOUNDS.items()
        if _applies(name, bound)
    }


def _lower_bounds() -> dict[str, tuple[Bound, OfErrors]]:
    # the lower twin of a bet takes a negative λ
    return {
        name: (bound, _of_errors(name, bound.lower, bound.needs))
        for name, bound in BOUNDS.items()
        if bound.lower is not None and _applies(name, bound) and "lam" not in bound.needs
    }


def _seeger_maurer(errors: Array, kl: float, n: int) -> Array:
    return np.asarray(bounds.seeger_maurer(empirical_risk=errors / n, kl=kl, n=n, delta=DELTA))


MUTANTS: Mapping[str, OfErrors] = MappingProxyType(
    {
        "KL dropped": lambda errors, kl, n: _seeger_maurer(errors, 0.0, n),
        "KL halved": lambda errors, kl, n: _seeger_maurer(errors, kl / 2, n),
        "δ not paid": lambda errors, kl, n: np.asarray(binary_kl_inverse_upper(errors / n, kl / n)),
    }
)
"""Wrong bounds, which the adversary has to break."""
