"""Every bound once more, in ball arithmetic: rigorous, and written apart from the float64 code.

Each function takes the arguments of the bound of its name, as numbers, and returns a ball that
contains the exact value of the formula (for the three that search for a best parameter or a
crossing, the exact value at the parameter found). `certified` turns it into a float64.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from flint import arb, ctx

from pacbayes.bounds.enclosures import binomial, losses, moments, strata
from pacbayes.bounds.enclosures.balls import EXACT, Ball, at_enough_bits, float_above
from pacbayes.bounds.registry import lookup_side

ENCLOSURES: Mapping[str, Callable[..., Ball]] = MappingProxyType(
    {
        **moments.ENCLOSURES,
        **losses.ENCLOSURES,
        **binomial.ENCLOSURES,
        **strata.ENCLOSURES,
    }
)


def enclosure(name: str, **arguments: Any) -> Ball:
    """A ball that contains the value of a bound, capped at 1 where the bound is.

    Args:
        name: A key of `BOUNDS`, or one with `_lower` appended where that has a lower twin.
        arguments: Those of the bound, as numbers (losses as sequences).

    Raises:
        ValueError: An unknown name, or an argument outside its domain.
    """
    bound, side = lookup_side(name)
    side(**arguments)  # the same checks, with the same messages
    ball = at_enough_bits(lambda: ENCLOSURES[name](**arguments))
    if not bound.capped:
        return ball
    with ctx.workprec(EXACT):  # whatever the precision outside is
        return ball.max(arb(0)) if name.endswith("_lower") else ball.min(arb(1))


def certified(name: str, **arguments: Any) -> float:
    """The value of a bound, rigorous: the smallest float64 not below the upper end of its ball.

    For a `_lower` twin the largest float64 not above the lower end.

    Args:
        name: As `enclosure`.
        arguments: As `enclosure`.

    >>> certified("seeger_maurer", empirical_risk=0.02, kl=300.0, n=30000, delta=0.05)
    0.04698124158260537
    """
    ball = enclosure(name, **arguments)
    with ctx.workprec(EXACT):
        value = -float_above(-ball) if name.endswith("_lower") else float_above(ball)
    # a ball that reaches an end of [0, 1] may stick out of it by its radius
    return min(1.0, max(0.0, value)) if lookup_side(name)[0].capped else value
