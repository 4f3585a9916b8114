"""Mixtures of a sweep's strata, which cells can be trained on as on a stratum."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pacbayes.data.pool import Pool
from pacbayes.data.records import Record
from pacbayes.errors import InputError
from pacbayes.planning.rules import Rule, check_weights
from pacbayes.planning.selection import Candidates

Weights = Mapping[str, float]
"""The share of each stratum."""


@dataclass(frozen=True, kw_only=True)
class MixtureOfRules:
    """A rule of `pacbayes.planning.rules`: strata by weight, whatever rules cut them out.

    Attributes:
        weights: The share of each stratum, from `checked`.
        rules: The rule of each of these, which gives it alone.
    """

    weights: Weights
    rules: Mapping[str, Rule]

    @property
    def stratum_field(self) -> str:
        """See `Rule`."""
        return next(iter(self.rules.values())).stratum_field

    def check(self, record: Record) -> None:
        """See `Rule`."""
        for rule in self.rules.values():
            rule.check(record)

    def candidates(self, pool: Pool, *, seed: int) -> tuple[Candidates, ...]:
        """See `Rule`; a unit is in the same place among those of its stratum as without others."""
        total = math.fsum(self.weights.values())
        return tuple(
            Candidates(name=name, weight=weight / total, units=found.units)
            for name, weight in self.weights.items()
            for found in self.rules[name].candidates(pool, seed=seed)
        )

    def to_json(self) -> dict[str, Any]:
        """See `Rule`."""
        strata = {name: rule.to_json() for name, rule in self.rules.items()}
        return {"weights": dict(self.weights), "strata": strata}


def checked(mixtures: Mapping[str, Weights], rules: Mapping[str, Rule]) -> dict[str, Weights]:
    """The mixtures with the strata in their order, those without weight left out.

    Args:
        mixtures: By name; weights sum to 1.
        rules: The strata.

    Raises:
        InputError: A mixture has a stratum's name, a stratum that there is not, weights that do
            not sum to 1, fewer than two strata, or the weights of another one.
    """
    found: dict[str, Weights] = {}
    for name, weights in mixtures.items():
        if name in rules:
            raise InputError(f"--mix {name!r}: there is a stratum of this name.")
        try:
            check_weights(weights, list(rules))
        except InputError as error:
            raise InputError(f"--mix {name!r}: {error}") from None
        weighty = {stratum: weights[stratum] for stratum in rules if weights.get(stratum, 0) > 0}
        if len(weighty) == 1:
            raise InputError(f"--mix {name!r} is of one stratum, which has cells of its own.")
        for other, of_other in found.items():
            if weighty == of_other:
                raise InputError(f"--mix {name!r} and {other!r} have the same weights.")
        found[name] = weighty
    return found
