"""The plan: how hard the training data should be at each budget, and how far to trust that.

`plan.json` is the dataclasses below written out: an object for a dataclass, a key for a field, a
list for a tuple, null for None; all keys are required and no others are allowed. The `Attributes`
of the classes are the one description of the schema. Risks lie in [0, 1], gaps in [-1, 1],
difficulties are in the unit of the data, budgets count independent units, and intervals are
`[lower, upper]` at the plan's `level`.

>>> Quantity(value=0.3, interval=(0.2, 0.25), status="forecast")
Traceback (most recent call last):
pacbayes.errors.InputError: `interval` must contain `value` 0.3, got (0.2, 0.25).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Literal, get_args

from pacbayes.decimals import short
from pacbayes.markup import table
from pacbayes.runs import require_weights
from pacbayes.schema import (
    Document,
    Interval,
    require,
    require_interval,
    require_probability,
    require_sha256,
    require_timestamp,
    require_unique,
)

SCHEMA = "pacbayes.plan/1"

_LARGEST = 1e6
"""No forecast of a bound comes near it; sums of larger numbers could overflow."""
_MOST_UNITS = 10**15

Status = Literal["certificate", "estimate", "forecast"]
"""A theorem's number; a measured one with its sampling error; one from a fitted model."""


@dataclass(frozen=True, kw_only=True)
class Quantity:
    """A number, where it may lie, and what kind of statement that is.

    Attributes:
        value: The number; of a certificate without a point estimate, the upper end.
        interval: Where it lies; null if that is not known.
        status: `certificate`, `estimate` or `forecast`.
    """

    value: float
    interval: Interval | None
    status: Status

    def __post_init__(self) -> None:
        require(math.isfinite(self.value), f"`value` must be finite, got {self.value}.")
        require(abs(self.value) <= _LARGEST, f"`value` must be a risk or a gap, got {self.value}.")
        if self.interval is not None:
            _require_contains(self.interval, self.value)


@dataclass(frozen=True, kw_only=True)
class PlanRuns:
    """The runs that the plan was made from.

    Attributes:
        number: How many the answers rest on; others there are of other bases or mixtures.
        path: Folder or file, as it was given.
        sha256: Its hash, see `pacbayes.runs.RunSet`.
    """

    number: int
    path: str
    sha256: str

    def __post_init__(self) -> None:
        require(self.number >= 1, f"`number` must be at least 1, got {self.number}.")
        require_sha256(self.sha256)


@dataclass(frozen=True, kw_only=True)
class Target:
    """What the model is to be good at.

    Attributes:
        weights: Share of each stratum; empty if the runs were measured on the target itself.
        path: File that the weights were counted in, or null.
        sha256: Its hash, or null.
        n: Number of independent units the weights were counted on; null if they were given.
    """

    weights: dict[str, float]
    path: str | None
    sha256: str | None
    n: int | None

    def __post_init__(self) -> None:
        if self.weights:
            require_weights("target.weights", self.weights)
        require(
            (self.path is None) == (self.sha256 is None) == (self.n is None),
            "`path`, `sha256` and `n` must be given together.",
        )
        if self.sha256 is not None:
            require_sha256(self.sha256)
        require(self.n is None or self.n >= 1, f"`n` must be at least 1, got {self.n}.")


@dataclass(frozen=True, kw_only=True)
class StratumInfo:
    """A stratum of the pool and of the target.

    Attributes:
        name: Its name, unique.
        difficulty: Mean difficulty of its examples.
        low: Examples of it are harder than this; null if there is no such edge.
        high: They are at most as hard as this; null if there is no such edge.
    """

    name: str
    difficulty: float
    low: float | None
    high: float | None

    def __post_init__(self) -> None:
        require(
            math.isfinite(self.difficulty), f"`difficulty` must be finite, got {self.difficulty}."
        )
        low = -math.inf if self.low is None else self.low
        high = math.inf if self.high is None else self.high
        require(low < high, f"`low` must be below `high`, got {low} and {high}.")


@dataclass(frozen=True, kw_only=True)
class KLGrowth:
    """How KL grows with the budget: as n to the power `exponent`.

    Attributes:
        exponent: The fitted power a; null if the runs have one budget.
        interval: Where it lies; null if the runs cannot tell.
        verdict: `shift`: a < 1, KL alone moves the best difficulty harder as the budget grows;
            `flat`: a = 1; `reversal`: a > 1, it moves easier; `undecided`.
        statement: The same in words.
    """

    exponent: float | None
    interval: Interval | None
    verdict: Literal["shift", "flat", "reversal", "undecided"]
    statement: str

    def __post_init__(self) -> None:
        require(
            self.exponent is not None or self.interval is None,
            "`interval` must be null where `exponent` is.",
        )
        if self.exponent is not None and self.interval is not None:
            _require_contains(self.interval, self.exponent, "exponent")


@dataclass(frozen=True, kw_only=True)
class ComparativeStatics:
    """What the runs say of how the best difficulty moves with the budget.

    Attributes:
        verdict: `monotone`: harder with more data; `flat`; `reversed`; or `undecided`.
        statement: The same in words.
    """

    verdict: Literal["monotone", "flat", "reversed", "undecided"]
    statement: str


@dataclass(frozen=True, kw_only=True)
class Misspecification:
    """Whether the runs fit the learning curves that the forecasts are made with.

    Attributes:
        statistic: The test's statistic, larger is worse; null if there is nothing to test with.
        p_value: Its p-value; null if the runs cannot tell.
        warning: What to make of it; null if there is nothing to warn of.
    """

    statistic: float | None
    p_value: float | None
    warning: str | None

    def __post_init__(self) -> None:
        require(
            self.statistic is not None or self.p_value is None,
            "`p_value` must be null where `statistic` is.",
        )
        require(
            self.p_value is None or 0 <= self.p_value <= 1,
            f"`p_value` must lie in [0, 1], got {self.p_value}.",
        )


@dataclass(frozen=True, kw_only=True)
class GapModel:
    """How the extrapolation gap was found.

    Attributes:
        model: Name in `pacbayes.gaps.GAPS`.
        reason: Why this one.
        status: The most that a gap of this plan promises.
        assumption: What it rests on.
    """

    model: str
    reason: str
    status: Status
    assumption: str


@dataclass(frozen=True, kw_only=True)
class Optimum:
    """A best difficulty.

    Attributes:
        value: It.
        interval: Where it lies.
        indistinguishable: Difficulties of the grid that the runs cannot tell from the best.
        status: `forecast`; `certificate` if it is the least of certified bounds of finished runs.
    """

    value: float
    interval: Interval
    indistinguishable: tuple[float, ...]
    status: Status

    def __post_init__(self) -> None:
        _require_contains(self.interval, self.value)
        require(bool(self.indistinguishable), "`indistinguishable` must not be empty.")
        require_increasing("indistinguishable", self.indistinguishable)


@dataclass(frozen=True, kw_only=True)
class Objective:
    """The bound on the target risk in its three parts, which add up to it.

    Attributes:
        empirical_risk: Mean loss of the posterior on its training data.
        generalization_gap: What KL, log term and sampling add to it.
        extrapolation_gap: Target risk minus risk on the training distribution.
    """

    empirical_risk: Quantity
    generalization_gap: Quantity
    extrapolation_gap: Quantity

    @property
    def bound(self) -> float:
        """Their sum."""
        return math.fsum(part.value for part in self.parts.values())

    @property
    def status(self) -> Status:
        """What the sum is: the weakest of its parts."""
        return max((part.status for part in self.parts.values()), key=get_args(Status).index)

    @property
    def parts(self) -> dict[str, Quantity]:
        """The parts by name."""
        return {
            "empirical_risk": self.empirical_risk,
            "generalization_gap": self.generalization_gap,
            "extrapolation_gap": self.extrapolation_gap,
        }


@dataclass(frozen=True, kw_only=True)
class ByDifficulty:
    """The forecast at every difficulty of the grid; each list has one entry for each.

    Attributes:
        empirical_risk: Part of the bound.
        generalization_gap: Part of the bound.
        extrapolation_gap: Part of the bound.
        predicted_risk: Target risk.
        lower: Lower end of its interval.
        upper: Upper end of its interval.
    """

    empirical_risk: tuple[float, ...]
    generalization_gap: tuple[float, ...]
    extrapolation_gap: tuple[float, ...]
    predicted_risk: tuple[float, ...]
    lower: tuple[float, ...]
    upper: tuple[float, ...]

    def __post_init__(self) -> None:
        for name in ("empirical_risk", "generalization_gap", "extrapolation_gap"):
            for value in getattr(self, name):
                require(abs(value) <= _LARGEST, f"`{name}` must hold such parts, got {value}.")
        for name in ("predicted_risk", "lower", "upper"):
            for value in getattr(self, name):
                require(0 <= value <= 1, f"`{name}` must lie in [0, 1], got {value}.")

    @property
    def bound(self) -> tuple[float, ...]:
        """The sum of the three parts at each difficulty."""
        parts = (self.empirical_risk, self.generalization_gap, self.extrapolation_gap)
        return tuple(math.fsum(column) for column in zip(*parts, strict=True))

    @property
    def lengths(self) -> set[int]:
        """The lengths of the lists, which should be one."""
        return {len(values) for values in vars(self).values()}


@dataclass(frozen=True, kw_only=True)
class Mixture:
    """The best shares of the strata in the training data.

    Attributes:
        weights: The shares.
        predicted_risk: Target risk after training on them.
        best_single_stratum: The stratum to take if it must be one.
        marginal_value: Change of the predicted risk for one more example, by stratum.
        joint_certificate: Certificate of the risk on the mixture itself, KL paid once; of a run
            that is still to be made, a forecast; or null.
        statement: The advice in words, with its reason.
    """

    weights: dict[str, float]
    predicted_risk: Quantity
    best_single_stratum: str
    marginal_value: dict[str, float]
    joint_certificate: Quantity | None
    statement: str

    def __post_init__(self) -> None:
        require_weights("weights", self.weights)
        require(
            self.best_single_stratum in self.weights,
            f"`best_single_stratum` must be in `weights`, got {self.best_single_stratum!r}.",
        )


@dataclass(frozen=True, kw_only=True)
class Observed:
    """A finished run at this budget.

    Attributes:
        difficulty: Of its training data.
        train_weights: Shares of the strata in them.
        base: Its base model.
        seed: Its seed.
        risk_bound: Its certificate, for the risk on its training distribution.
        target_risk: Its measured risk on the target.
        bound: Certified bound on its target risk: upper end of `risk_bound` and of its
            extrapolation gap added up; status `estimate` if the gap rests on an assumption.
    """

    difficulty: float
    train_weights: dict[str, float]
    base: str
    seed: int
    risk_bound: Interval
    target_risk: Quantity
    bound: Quantity

    def __post_init__(self) -> None:
        require_interval("risk_bound", self.risk_bound)


@dataclass(frozen=True, kw_only=True)
class BudgetPlan:
    """The answers for one budget.

    Attributes:
        budget: Independent units to train on.
        extrapolation: `budget` over the largest budget of a run; above 1 the fit is extrapolated.
        optimal_difficulty: Where the predicted target risk has the least expected regret.
        certificate_optimal_difficulty: Where the bound is least: the literal guarantee's choice.
        objective: The parts of the bound there.
        predicted_risk: Target risk at `optimal_difficulty`.
        by_difficulty: The forecasts on the grid.
        mixture: The best mixture, or null if the strata cannot be told apart by the runs.
        observed: Runs with this budget, or null.
    """

    budget: int
    extrapolation: float
    optimal_difficulty: Optimum
    certificate_optimal_difficulty: Optimum
    objective: Objective
    predicted_risk: Quantity
    by_difficulty: ByDifficulty
    mixture: Mixture | None
    observed: tuple[Observed, ...] | None

    def __post_init__(self) -> None:
        require(self.budget >= 1, f"`budget` must be at least 1, got {self.budget}.")
        require(
            self.budget <= _MOST_UNITS,
            f"`budget` must be at most {_MOST_UNITS}, got {self.budget}.",
        )
        require(
            0 < self.extrapolation < math.inf,
            f"`extrapolation` must be positive, got {self.extrapolation}.",
        )
        require(
            self.optimal_difficulty.status == "forecast",
            "`optimal_difficulty.status` must be 'forecast': it comes from fitted curves.",
        )
        risk = self.predicted_risk
        require(0 <= risk.value <= 1, f"`predicted_risk` must lie in [0, 1], got {risk.value}.")


@dataclass(frozen=True, kw_only=True)
class BreakEven:
    """From which budget the harder of two difficulties is the better one.

    Attributes:
        easier: A difficulty.
        harder: A harder one.
        budget: The budget; null if there is none in the range looked at.
        interval: Where it lies; null if that cannot be told. An end that is null is beyond that
            range.
        statement: The same in words.
    """

    easier: float
    harder: float
    budget: float | None
    interval: tuple[float | None, float | None] | None
    statement: str

    def __post_init__(self) -> None:
        require(
            self.easier < self.harder,
            f"`easier` must be below `harder`, got {self.easier} and {self.harder}.",
        )


@dataclass(frozen=True, kw_only=True)
class PhaseDiagram:
    """The best difficulty over budget and strength of the base model; a forecast.

    Attributes:
        budgets: Increasing.
        base_strengths: Accuracies of the base on the target, increasing.
        optimal_difficulty: One list for each strength, with an entry for each budget.
    """

    budgets: tuple[int, ...]
    base_strengths: tuple[float, ...]
    optimal_difficulty: tuple[tuple[float, ...], ...]

    def __post_init__(self) -> None:
        require_increasing("phase_diagram.budgets", self.budgets)
        require_increasing("phase_diagram.base_strengths", self.base_strengths)
        shape = {len(row) for row in self.optimal_difficulty}
        require(
            len(self.optimal_difficulty) == len(self.base_strengths)
            and shape <= {len(self.budgets)},
            "`optimal_difficulty` must have a list for each strength, with an entry for each "
            "budget.",
        )


@dataclass(frozen=True, kw_only=True)
class Plan(Document):
    """Which difficulty, or mixture, to train on at each budget.

    Attributes:
        schema: `pacbayes.plan/1`.
        created: When, ISO 8601 with time zone.
        version: Version of the program.
        seed: Seed of the bootstrap.
        loss: Name of the loss whose target risk is planned.
        delta: Failure probability of each certificate of a run.
        bases: Base models of the runs; the answers are for the first.
        runs: The runs.
        target: The target.
        strata: The strata, from easy to hard.
        difficulties: The grid that was searched, increasing.
        level: Level of the intervals that are no certificates.
        kl_growth: How KL grows with the budget.
        comparative_statics: How the best difficulty moves with the budget.
        misspecification: Whether the fit can be trusted.
        gap: How the extrapolation gap was found.
        budgets: The answers, by budget.
        break_even: Budgets from which a harder difficulty pays.
        phase_diagram: Best difficulty over budget and strength of the base, or null.
        unknown: What these runs cannot tell, in sentences.
        assumptions: What the plan rests on, in sentences.

    Raises:
        InputError: A value contradicts the descriptions above.
    """

    NOUN: ClassVar[str] = "a plan"

    schema: str = SCHEMA
    created: str
    version: str
    seed: int
    loss: str
    delta: float
    bases: tuple[str, ...]
    runs: PlanRuns
    target: Target
    strata: tuple[StratumInfo, ...]
    difficulties: tuple[float, ...]
    level: float
    kl_growth: KLGrowth
    comparative_statics: ComparativeStatics
    misspecification: Misspecification
    gap: GapModel
    budgets: tuple[BudgetPlan, ...]
    break_even: tuple[BreakEven, ...]
    phase_diagram: PhaseDiagram | None
    unknown: tuple[str, ...]
    assumptions: tuple[str, ...]

    def __post_init__(self) -> None:
        self.require_schema(self.schema)
        require_timestamp(self.created)
        require_probability("delta", self.delta)
        require_probability("level", self.level)
        require(bool(self.bases), "`bases` must not be empty.")
        require_unique("strata", (stratum.name for stratum in self.strata))
        require_increasing("difficulties", self.difficulties)
        require(bool(self.budgets), "`budgets` must not be empty.")
        require_increasing("budgets", [answer.budget for answer in self.budgets])
        for answer in self.budgets:
            require(
                answer.by_difficulty.lengths == {len(self.difficulties)},
                f"`by_difficulty` at budget {answer.budget} must have an entry for each of the "
                f"{len(self.difficulties)} difficulties.",
            )

    def _repr_html_(self) -> str:
        """The answers by budget as a table, for notebooks."""
        rows = [
            [
                f"{answer.budget:,}",
                short(answer.optimal_difficulty.value),
                f"{answer.predicted_risk.value:.3f}",
                f"{answer.objective.bound:.3f} {answer.objective.status}",
                short(answer.certificate_optimal_difficulty.value),
            ]
            for answer in self.budgets
        ]
        columns = ["budget", "d*(n), forecast", "target risk, forecast", "least bound", "found at"]
        return table(f"Plan for {self.bases[0]} ({self.loss} loss)", columns, rows)


def require_increasing(name: str, values: Sequence[float]) -> None:
    """Refuse what is not finite and strictly increasing.

    Raises:
        InputError: It is not.
    """
    require(
        all(map(math.isfinite, values)) and all(a < b for a, b in pairwise(values)),
        f"`{name}` must be finite and strictly increasing, got {list(values)}.",
    )


def _require_contains(interval: Interval, value: float, name: str = "value") -> None:
    lower, upper = interval
    require(lower <= value <= upper, f"`interval` must contain `{name}` {value}, got {interval}.")
