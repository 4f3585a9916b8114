"""What a plan recommends for one budget, as selection needs it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pacbayes import strict_json
from pacbayes.errors import InputError
from pacbayes.planning.rules import Interval, LabelMixture, Mixture, Nearest, Rule

_SCHEMA = "pacbayes.plan/1"


@dataclass(frozen=True, kw_only=True)
class Recommendation:
    """A plan's advice for one budget.

    Attributes:
        budget: Number of independent units.
        difficulty: The optimal difficulty, None if the plan has none.
        weights: The mixture's weights by stratum, None if the plan has none.
        strata: The plan's strata of difficulties, empty if it does not say where they lie.
    """

    budget: int
    difficulty: float | None
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
            if self.difficulty is None:
                raise InputError(f"the plan has no optimal difficulty for {self.budget}.")
            return Nearest(difficulty=self.difficulty)
        if stratum_field is None and self.strata:
            return Mixture(weights=self.weights, strata=self.strata)
        return LabelMixture(weights=self.weights, stratum_field=stratum_field or "stratum")


def read_recommendation(path: Path, budget: int) -> Recommendation:
    """Read the advice of a `plan.json` for a budget.

    Raises:
        InputError: The file cannot be read or is no plan, or it has nothing for that budget.
    """
    plan = _read(path)
    try:
        entries = {entry["budget"]: entry for entry in plan["budgets"]}
        if budget not in entries:
            known = ", ".join(map(str, sorted(entries)))
            raise InputError(f"has no budget of {budget}, only {known or 'none'}.", path=path)
        entry = entries[budget]
        optimum, mixture = entry.get("optimal_difficulty"), entry.get("mixture")
        return Recommendation(
            budget=budget,
            difficulty=None if optimum is None else float(optimum["value"]),
            weights=None if mixture is None else _weights(mixture["weights"]),
            strata=_intervals(plan.get("strata") or []),
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"is no {_SCHEMA} as `pacbayes plan` writes it ({error}).", path=path
        ) from error


def _read(path: Path) -> dict[str, Any]:
    try:
        value = strict_json.parse(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror}).", path=path) from error
    except ValueError as error:
        raise InputError(f"is no plan: {error}.", path=path) from error
    schema = value.get("schema") if isinstance(value, dict) else None
    if not isinstance(value, dict) or schema != _SCHEMA:
        raise InputError(f"must be a plan with the schema {_SCHEMA}, got {schema!r}.", path=path)
    return value


def _weights(values: dict[str, Any]) -> dict[str, float]:
    return {name: float(weight) for name, weight in values.items()}


def _intervals(strata: list[dict[str, Any]]) -> tuple[Interval, ...]:
    if any(s.get("low") is None and s.get("high") is None for s in strata):
        return ()
    return tuple(
        Interval(
            name=s["name"],
            low=-math.inf if s.get("low") is None else float(s["low"]),
            high=math.inf if s.get("high") is None else float(s["high"]),
        )
        for s in strata
    )
