"""What a plan recommends for one budget, as selection needs it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pacbayes.errors import InputError
from pacbayes.plan import Plan, StratumInfo
from pacbayes.planning.rules import Interval, LabelMixture, Mixture, Nearest, Rule


@dataclass(frozen=True, kw_only=True)
class Recommendation:
    """A plan's advice for one budget.

    Attributes:
        budget: Number of independent units.
        difficulty: The optimal difficulty.
        weights: The mixture's weights by stratum, None if the plan has none.
        strata: The plan's strata of difficulties, empty if they are not cut by difficulty.
    """

    budget: int
    difficulty: float
    weights: Mapping[str, float] | None
    strata: tuple[Interval, ...]

    def rule(self, *, by: str | None = None, stratum_field: str | None = None) -> Rule:
        """Return the rule that follows the advice.

        Args:
            by: `mixture` or `difficulty`; the mixture by default, if there is one.
            stratum_field: Field that holds the strata's names; by default the mixture's strata are
                the plan's intervals of difficulty, or the field `stratum` if it has none.

        Raises:
            InputError: The plan does not have what is asked for.
        """
        if by == "mixture" and self.weights is None:
            raise InputError(f"the plan has no mixture for a budget of {self.budget}.")
        if by == "difficulty" or self.weights is None:
            return Nearest(difficulty=self.difficulty)
        if stratum_field is None and self.strata:
            return Mixture(weights=self.weights, strata=self.strata)
        return LabelMixture(weights=self.weights, stratum_field=stratum_field or "stratum")


def read_recommendation(path: Path, budget: int) -> Recommendation:
    """Read the advice of a `plan.json` for a budget.

    Raises:
        InputError: The file cannot be read or is no plan, or it has nothing for that budget.
    """
    plan = Plan.read(path)
    entries = {entry.budget: entry for entry in plan.budgets}
    if budget not in entries:
        known = ", ".join(map(str, sorted(entries)))
        raise InputError(f"has no budget of {budget}, only {known}.", path=path)
    mixture = entries[budget].mixture
    return Recommendation(
        budget=budget,
        difficulty=entries[budget].optimal_difficulty.value,
        weights=None if mixture is None else mixture.weights,
        strata=_intervals(plan.strata),
    )


def _intervals(strata: Sequence[StratumInfo]) -> tuple[Interval, ...]:
    """The strata as intervals of difficulty; none if one of them has no edges."""
    if any(s.low is None and s.high is None for s in strata):
        return ()
    return tuple(
        Interval(
            name=s.name,
            low=-math.inf if s.low is None else s.low,
            high=math.inf if s.high is None else s.high,
        )
        for s in strata
    )
