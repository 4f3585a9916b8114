"""One finished fine-tune as `run.json`: an object for a dataclass, a key for a field.

The `Attributes` below are the one description of the schema. Risks lie in [0, 1], KL is in nats.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from pacbayes.errors import InputError
from pacbayes.schema import (
    Document,
    Interval,
    require,
    require_interval,
    require_nonnegative,
    require_probability,
)

SCHEMA = "pacbayes.run/1"

_WEIGHTS_OFF = 1e-6
"""What weights written with seven digits may miss 1 by."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A mean loss on held-out data.

    Attributes:
        mean: Mean loss.
        n: Number of independent units.
    """

    mean: float
    n: int

    def __post_init__(self) -> None:
        require(0 <= self.mean <= 1, f"`mean` must lie in [0, 1], got {self.mean}.")
        require(self.n >= 1, f"`n` must be at least 1, got {self.n}.")


@dataclass(frozen=True, kw_only=True)
class Run(Document):
    """One finished and certified fine-tune.

    Attributes:
        schema: `pacbayes.run/1`.
        base: Name of the base model; runs of one base are comparable.
        base_strength: Accuracy of the base on the target, or null.
        difficulty: Mean difficulty of the training data, larger is harder.
        train_weights: Shares of the strata in the training data; a pure run has one.
        budget: Number of independent units that were trained on.
        seed: Seed of the fine-tune.
        loss: Name of the loss.
        delta: Failure probability of `risk_bound`.
        kl: KL(Q||P).
        empirical_risk: Mean loss of the posterior on the training data.
        empirical_risk_bound: Where that mean lies, at its share of delta.
        risk_bound: The certificate: where the risk on fresh training data lies.
        tests: Held-out risk on each stratum that was tested.
        target: Held-out risk on the target itself, or null.
        base_target: That of the base model, or null.

    Raises:
        InputError: A value contradicts the descriptions above.
    """

    NOUN: ClassVar[str] = "a run"

    schema: str = SCHEMA
    base: str
    base_strength: float | None
    difficulty: float
    train_weights: dict[str, float]
    budget: int
    seed: int
    loss: str
    delta: float
    kl: float
    empirical_risk: float
    empirical_risk_bound: Interval
    risk_bound: Interval
    tests: dict[str, Measured]
    target: Measured | None
    base_target: Measured | None

    def __post_init__(self) -> None:
        self.require_schema(self.schema)
        require(bool(self.base), "`base` must not be empty.")
        require(
            self.base_strength is None or 0 <= self.base_strength <= 1,
            f"`base_strength` must lie in [0, 1], got {self.base_strength}.",
        )
        require(
            math.isfinite(self.difficulty), f"`difficulty` must be finite, got {self.difficulty}."
        )
        require_weights("train_weights", self.train_weights)
        require(
            self.budget >= 1,
            f"`budget` must be at least 1, got {self.budget}; it counts independent units.",
        )
        require_probability("delta", self.delta)
        require_nonnegative("kl", self.kl)
        require(
            0 <= self.empirical_risk <= 1,
            f"`empirical_risk` must lie in [0, 1], got {self.empirical_risk}.",
        )
        require_interval("empirical_risk_bound", self.empirical_risk_bound, self.empirical_risk)
        require_interval("risk_bound", self.risk_bound)


def require_weights(name: str, weights: dict[str, float]) -> None:
    """Refuse weights that are negative or do not sum to 1.

    Raises:
        InputError: They are not shares.
    """
    for stratum, weight in weights.items():
        require_nonnegative(f"{name}.{stratum}", weight)
    total = math.fsum(weights.values())
    if abs(total - 1) > _WEIGHTS_OFF:
        raise InputError(
            f"`{name}` must sum to 1, got {total:g}; the usual mistake is counts or percentages."
        )
