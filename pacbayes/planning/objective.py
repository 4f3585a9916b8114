"""The certificate as an objective of difficulty: empirical risk and two gaps, by budget."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pacbayes.bounds import seeger_maurer
from pacbayes.bounds._complexity import complexity, log_2sqrtn
from pacbayes.bounds._domain import (
    Array,
    require,
    require_complexity,
    require_delta,
    require_finite,
    require_n,
    require_risk,
)
from pacbayes.bounds._rounding import ULP, up
from pacbayes.errors import InputError
from pacbayes.gaps._domain import input_errors
from pacbayes.planning.monotone_limit import is_above_limit

Form: TypeAlias = Literal["kl", "square_root", "bare_square_root"]


_SUM = 2 * ULP
"""Past the rounding of the sum with the empirical risk."""


def _kl_gap(risk: Array, kl: Array, n: Array, delta: float) -> Array:
    bound = seeger_maurer(empirical_risk=risk, kl=kl, n=n, delta=delta)
    return np.asarray(up(np.asarray(bound) - risk) + _SUM)


def _square_root_gap(risk: Array, kl: Array, n: Array, delta: float) -> Array:
    return np.asarray(up(np.sqrt(complexity(kl, n, delta, log_2sqrtn(n)) / 2)) + _SUM)


def _bare_square_root_gap(risk: Array, kl: Array, n: Array, delta: float) -> Array:
    return np.asarray(np.sqrt(kl / (2 * n)))


FORMS: Mapping[str, Callable[[Array, Array, Array, float], Array]] = MappingProxyType(
    {
        "kl": _kl_gap,
        "square_root": _square_root_gap,
        "bare_square_root": _bare_square_root_gap,
    }
)
"""Generalization gaps by name: kl⁺(r̂, (KL + ln(ξ(n)/δ))/n) − r̂; √((KL + ln(2√n/δ))/(2n)), which may
exceed 1; and √(KL/(2n)), which is no bound, for comparison with closed forms."""


@dataclass(frozen=True, kw_only=True)
class Objective:
    """The certificate of the target risk, in three parts, for each budget and difficulty.

    The parts are bounds for one budget and difficulty fixed beforehand, if their inputs are; the
    minimum over many is a choice, not a certificate.

    Attributes:
        budgets: Independent units to train on, shape (budgets,).
        difficulties: Shape (difficulties,).
        empirical_risk: Shape (budgets, difficulties), as the next three.
        generalization_gap: Bound on R_train − r̂.
        extrapolation_gap: R_target − R_train, of any sign.
        total: Their sum.
        form: Key of `FORMS`.
        delta: Failure probability of the generalization gap.
        warnings: What speaks against the choice, a sentence each.
    """

    budgets: Array
    difficulties: Array
    empirical_risk: Array
    generalization_gap: Array
    extrapolation_gap: Array
    total: Array
    form: Form
    delta: float
    warnings: tuple[str, ...]

    def minimisers(self, tolerance: float = 1e-12) -> NDArray[np.bool_]:
        """Where the total is least for its budget, all of a plateau, shape as `total`.

        Args:
            tolerance: How far above the least total still counts; by default its rounding.
        """
        return _least(self.total, tolerance)

    def optimal_difficulties(self, tolerance: float = 1e-12) -> tuple[Array, ...]:
        """For each budget, the difficulties of least total: one, or all of a plateau."""
        return tuple(self.difficulties[row] for row in self.minimisers(tolerance))


@input_errors()
def certificate_objective(
    *,
    budgets: ArrayLike,
    difficulties: ArrayLike,
    empirical_risk: ArrayLike,
    kl: ArrayLike,
    extrapolation_gap: ArrayLike,
    delta: float = 0.05,
    form: Form = "kl",
) -> Objective:
    """R̂ + generalization gap + extrapolation gap, for each budget and difficulty.

    Args:
        budgets: Independent units, whole numbers of at least 1, shape (budgets,).
        difficulties: Strictly rising, shape (difficulties,).
        empirical_risk: r̂ in [0, 1]; broadcasts to (budgets, difficulties), so that one row is
            taken for all budgets, as the next two.
        kl: KL(Q‖P) in nats.
        extrapolation_gap: R_target − R_train in [−1, 1], such as the upper ends of a model in
            `pacbayes.gaps`.
        delta: Failure probability in (0, 1).
        form: Key of `FORMS`.

    Raises:
        InputError: An argument outside its domain, or shapes that do not fit.

    >>> import numpy as np
    >>> d = np.linspace(0, 1, 101)
    >>> objective = certificate_objective(
    ...     budgets=[100, 1000, 10000],
    ...     difficulties=d,
    ...     empirical_risk=0.0,
    ...     kl=100 * d**2,
    ...     extrapolation_gap=0.5 * (1 - d) ** 2,
    ...     form="bare_square_root",
    ... )
    >>> [best.tolist() for best in objective.optimal_difficulties()]
    [[0.29], [0.78], [0.93]]
    """
    if form not in FORMS:
        raise InputError(f"`form` must be among {', '.join(FORMS)}, got {form!r}.")
    n, d = _axis(require_n(budgets, "budgets"), "budgets"), _rising(difficulties)
    failure = float(require_delta(delta))
    gap = require_finite(extrapolation_gap, "extrapolation_gap")
    require(np.abs(gap) <= 1, gap, "extrapolation_gap", "lie in [-1, 1]")
    nats = require_complexity(kl)
    require(np.isfinite(nats), nats, "kl", "be finite")
    shape = (len(n), len(d))
    risk = _table(require_risk(empirical_risk), "empirical_risk", shape)
    size = np.broadcast_to(n[:, None], shape)
    generalization = FORMS[form](risk, _table(nats, "kl", shape), size, failure)
    extrapolation = _table(gap, "extrapolation_gap", shape)
    total = risk + generalization + extrapolation
    return Objective(
        budgets=n,
        difficulties=d,
        empirical_risk=risk,
        generalization_gap=generalization,
        extrapolation_gap=extrapolation,
        total=total,
        form=form,
        delta=failure,
        warnings=_warnings(form, n, total, risk, risk + generalization),
    )


def _least(total: Array, tolerance: float) -> NDArray[np.bool_]:
    return np.asarray(total <= total.min(axis=1, keepdims=True) + tolerance)


def _axis(value: Array, name: str) -> Array:
    if value.ndim != 1 or value.size == 0:
        raise InputError(f"`{name}` must have shape ({name},), at least one, got {value.shape}.")
    return value


def _rising(difficulties: ArrayLike) -> Array:
    value = _axis(require_finite(difficulties, "difficulties"), "difficulties")
    steps = np.diff(value)
    require(steps > 0, steps, "difficulties", "rise, by steps above 0")
    return value


def _table(value: Array, name: str, shape: tuple[int, int]) -> Array:
    try:
        return np.broadcast_to(value, shape)
    except ValueError:
        raise InputError(
            f"`{name}` must broadcast to (budgets, difficulties) = {shape}, got {value.shape}."
        ) from None


def _warnings(
    form: Form, budgets: Array, total: Array, risk: Array, bound: Array
) -> tuple[str, ...]:
    """What the best choices' bounds are too large for."""
    if form == "bare_square_root":
        return ()
    # of a plateau the hardest, whose bound is the largest
    best = total.shape[1] - 1 - np.argmax(_least(total, 1e-12)[:, ::-1], axis=1)
    rows = np.arange(len(budgets))
    chosen_risk, chosen = risk[rows, best], np.minimum(bound[rows, best], 1.0)
    found = []
    if np.any(vacuous := chosen >= 1 - 1e-12):
        found.append(
            f"At {_at(budgets[vacuous])} the bound of the best choice is vacuous: only the "
            "extrapolation gap decides there."
        )
    if form == "kl" and np.any(above := is_above_limit(chosen_risk, chosen) & ~vacuous):
        found.append(
            f"At {_at(budgets[above])} the kl bound of the best choice is so near 1 (above .63 for "
            "an empirical risk of 0, .70 for .1, .78 for .3) that more data may move the optimum "
            "to easier data even where KL does not grow with them."
        )
    return tuple(found)


def _at(budgets: Array) -> str:
    first = f"{budgets[0]:.0f}"
    return f"budget {first}" if len(budgets) == 1 else f"{len(budgets)} budgets from {first}"
