"""What a mixture of strata teaches, from the learning curves of its strata alone.

Runs on single strata do not determine this. Two rules, both of which give a single stratum back
its own curve:

- `equivalent_budgets`: units of stratum k do for a risk ρ what 1/N_k(ρ) of the pure budget
  N_k(ρ) would, and these shares add: Σ_k a_k n / N_k(ρ) = 1 (Loewe 1926, for doses of drugs). A
  stratum is worth nothing below its own asymptote, and no mixture is better for one test stratum
  than the best single stratum: where {a : risk ≤ ρ} ends is a hyperplane. Mixtures gain only where
  test strata want different training data, or where fits disagree.
- `averaged_curves`: the asymptote is the mean of c_k under a, the rate the mean of 1/k_k. A few
  hard units then lower the asymptote and the many easy ones still learn fast: a strong claim, to
  be made only where runs on mixtures bear it out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from pacbayes.learning_curves import Curves

Floats: TypeAlias = NDArray[np.float64]
MixingRule = Literal["equivalent_budgets", "averaged_curves"]

_STEPS = 200


@dataclass(frozen=True, kw_only=True)
class Mixed:
    """Risk of a mixture with its derivatives, for each fit.

    Attributes:
        risk: Shape (fits,).
        by_weight: Its derivatives by the weights, each alone, shape (fits, K).
        by_log_budget: Its derivative by ln n, shape (fits,).
    """

    risk: Floats
    by_weight: Floats
    by_log_budget: Floats

    def by_example(self, weights: Floats, budget: float) -> Floats:
        """Return the change of risk for one more unit of each stratum, shape (fits, K).

        One more unit of stratum k makes the budget n + 1 and moves the weights by (e_k − a)/n.
        """
        along = self.by_weight - (self.by_weight @ weights)[:, None]
        change: Floats = (along + self.by_log_budget[:, None]) / budget
        return change


def averaged_curves(curves: Curves, weights: Floats, budget: float) -> Mixed:
    """Return R = c + (r₀ − c)/(1 + (n x)^g) with c = Σ a_k c_k and x = Σ a_k / k_k.

    Args:
        curves: One for each of K strata.
        weights: a, at least 0, of sum 1, shape (K,).
        budget: n.
    """
    rates, g = 1 / curves.scale, curves.exponent
    asymptote, rate = curves.asymptote @ weights, rates @ weights
    unlearnt = expit(-g * np.log(budget * rate))
    span = curves.base_risk - asymptote
    slope = -span * g * unlearnt * (1 - unlearnt)
    return Mixed(
        risk=asymptote + span * unlearnt,
        by_weight=(1 - unlearnt)[:, None] * curves.asymptote + (slope / rate)[:, None] * rates,
        by_log_budget=slope,
    )


def equivalent_budgets(curves: Curves, weights: Floats, budget: float) -> Mixed:
    """Return the ρ with Σ_k a_k n / N_k(ρ) = 1, N_k the inverse of stratum k's curve.

    Strata whose asymptote is not below r₀ teach nothing; they enter as their share of their own
    risk.

    Args:
        curves: One for each of K strata.
        weights: a, at least 0, of sum 1, shape (K,).
        budget: n.
    """
    useless = curves.asymptote >= curves.base_risk[:, None]
    useful = _useful(curves, ~useless, weights, budget)
    alone = np.where(useless, curves.risk(budget), 0.0)
    share = 1 - useless @ weights
    rise = np.where(useless, curves.by_log_budget(budget), 0.0)
    return Mixed(
        risk=alone @ weights + share * useful.risk,
        by_weight=np.where(
            useless, alone - useful.risk[:, None], share[:, None] * useful.by_weight
        ),
        by_log_budget=rise @ weights + share * useful.by_log_budget,
    )


MIXING: Mapping[MixingRule, Callable[[Curves, Floats, float], Mixed]] = MappingProxyType(
    {"equivalent_budgets": equivalent_budgets, "averaged_curves": averaged_curves}
)
"""Rules by name; the first is the cautious one."""


def mixed_risk(
    rule: MixingRule, curves: tuple[Curves, ...], target: Floats, weights: Floats, budget: float
) -> Mixed:
    """Return the target's risk, Σ_j v_j times that of test stratum j.

    Args:
        rule: Key of `MIXING`.
        curves: For each test stratum its risk after training on each of K strata.
        target: v, shape (test strata,).
        weights: a, shape (K,).
        budget: n.
    """
    parts = [MIXING[rule](each, weights, budget) for each in curves]
    return Mixed(
        risk=sum(v * p.risk for v, p in zip(target, parts, strict=True)),
        by_weight=sum(v * p.by_weight for v, p in zip(target, parts, strict=True)),
        by_log_budget=sum(v * p.by_log_budget for v, p in zip(target, parts, strict=True)),
    )


def _useful(curves: Curves, useful: NDArray[np.bool_], weights: Floats, budget: float) -> Mixed:
    """The rule among strata with c_k < r₀; r₀ where they have no weight.

    With b the least c_k and E = (ρ − b)/(r₀ − ρ), the condition reads Σ_k a_k q_k (E − e_k)₊^p = 1
    for p = 1/g, q_k = (n/k_k) ((r₀ − c_k)/(r₀ − b))^p and e_k = (c_k − b)/(r₀ − c_k).
    """
    start, power = curves.base_risk[:, None], 1 / curves.exponent[:, None]
    least = np.min(np.where(useful, curves.asymptote, start), axis=1, keepdims=True)
    span = np.where(useful, start - curves.asymptote, 1.0)
    widest = np.where(np.any(useful, axis=1, keepdims=True), start - least, 1.0)
    reach = np.where(useful, np.exp(power * np.log(span / widest)) * budget / curves.scale, 0.0)
    offset = np.where(useful, (curves.asymptote - least) / span, 0.0)
    amount = weights * reach
    odds = _odds(amount, offset, power)
    there = np.isfinite(odds)
    above = np.maximum(np.where(there, odds, 0.0)[:, None] - offset, 0.0)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        gained = np.where(above > 0, above**power, 0.0)
        slope = power[:, 0] * np.sum(
            np.where(above > 0, amount * gained / np.where(above > 0, above, 1.0), 0.0), axis=1
        )
        # no slope: a stratum's asymptote is reached to the last digit
        by_odds = np.where(there & (slope > 0), widest[:, 0] / (1 + odds) ** 2 / slope, 0.0)
        risk = np.where(there, (least[:, 0] + start[:, 0] * odds) / (1 + odds), start[:, 0])
    return Mixed(risk=risk, by_weight=-by_odds[:, None] * reach * gained, by_log_budget=-by_odds)


def _odds(amount: Floats, offset: Floats, power: Floats) -> Floats:
    """Return E with Σ_k amount_k (E − offset_k)₊^power = 1, infinite where all amounts are 0.

    Newton's method on the power-mean of the left side, which is nearly linear in E, held between
    what the strata can reach together and what one of them reaches alone.
    """
    g = 1 / power
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        high = np.min(np.where(amount > 0, offset + amount**-g, np.inf), axis=1)
        low = np.sum(amount, axis=1) ** -g[:, 0]
    solved: Floats = high.copy()
    rows = np.flatnonzero(np.isfinite(high) & (low < high))
    low, high, value = low[rows], high[rows], high[rows].copy()
    for _ in range(_STEPS):
        if not len(rows):
            break
        f, slope = _power_mean(amount[rows], offset[rows], power[rows], value)
        low, high = np.where(f < 1, value, low), np.where(f < 1, high, value)
        with np.errstate(divide="ignore", invalid="ignore"):
            newton = value - (f - 1) / slope
        inside = (newton > low) & (newton < high)
        proposed = np.where(inside, newton, np.sqrt(low) * np.sqrt(high))
        done = (np.abs(f - 1) < 1e-13) | (high - low <= 4e-16 * high)
        solved[rows] = np.where(done, value, proposed)
        keep = ~done
        rows, low, high, value = rows[keep], low[keep], high[keep], proposed[keep]
    return solved


def _power_mean(
    amount: Floats, offset: Floats, power: Floats, value: Floats
) -> tuple[Floats, Floats]:
    """Return (Σ amount (value − offset)₊^power)^(1/power) and its derivative by value."""
    above = np.maximum(value[:, None] - offset, 0.0)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        terms = np.where(above > 0, amount * above**power, 0.0)
        total = np.sum(terms, axis=1)
        mean = total ** (1 / power[:, 0])
        pull = np.sum(np.where(above > 0, terms / np.where(above > 0, above, 1.0), 0.0), axis=1)
        slope = np.where(total > 0, mean / np.where(total > 0, total, 1.0) * pull, 0.0)
    return mean, slope
