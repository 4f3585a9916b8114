"""The posterior's empirical risk from as few forward passes as it takes.

A draw is a pair: a unit, chosen with a probability fixed beforehand, and fresh posterior noise.
What is averaged is how far its loss under noise is from its known loss without, so that only the
units that the noise changes count; units with small margins are chosen more often. The interval is
a betting bound, valid whenever one looks, and drawing stops when it is narrow enough.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from pacbayes.confidence import ControlVariate
from pacbayes.data.sample import Unit
from pacbayes.draws import DrawStore
from pacbayes.posteriors.noise import Stream, keyed_generator
from pacbayes.risk import FloatArray, NoiseKey, Scorer

METHOD = (
    "betting interval on differences from the unperturbed losses, of units drawn by their margin"
)

DRAWS_AT_A_TIME = 512
"""Draws between two looks at the interval."""

UNIFORM_SHARE = 0.3
"""Of the draws, spread evenly over the units: no weight is above its inverse."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is fixed before drawing.

    Attributes:
        centre: Loss of each unit without noise, shape (losses, units).
        probabilities: With which each unit is drawn, shape (units,).
        tolerance: Wanted distance of the upper bound from the mean.
        delta: Failure probability of the interval, both sides together.
        most: Draws after which to stop in any case.
    """

    centre: FloatArray
    probabilities: FloatArray
    tolerance: float
    delta: float
    most: int


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A mean with its interval and what it cost."""

    mean: float
    interval: tuple[float, float]
    n_draws: int


def probabilities_by_margin(margins: FloatArray, flipped: float) -> FloatArray:
    """Probabilities that grow with how likely the noise is to change a unit's loss.

    The best are in proportion to the root of that likelihood. It is taken as Φ(−margin/s), the
    scale s such that it averages `flipped`; whatever it is, the bounds hold.

    Args:
        margins: Distance of each unit from a change, at least 0, shape (units,).
        flipped: Share of a pilot's losses that the noise changed.
    """
    n = len(margins)
    low, high = -30.0, 30.0
    for _ in range(60):
        middle = (low + high) / 2
        if ndtr(-margins * np.exp(-middle)).mean() < flipped:
            low = middle
        else:
            high = middle
    roots = np.sqrt(ndtr(-margins * np.exp(-(low + high) / 2)))
    total = roots.sum()
    spread = roots / total if total > 0 else np.full(n, 1 / n)
    mixed = UNIFORM_SHARE / n + (1 - UNIFORM_SHARE) * spread
    return np.asarray(mixed / mixed.sum())


def estimate(
    scorer: Scorer,
    units: Sequence[Unit],
    sigmas: dict[str, float],
    plan: Plan,
    *,
    key: NoiseKey,
    store: DrawStore,
) -> list[Estimate]:
    """Draws pairs until the posterior's mean of each loss over the units is known well enough.

    Args:
        scorer: Scores with the losses of the plan.
        units: The units of a stratum.
        sigmas: Posterior scale by tensor.
        plan: See `Plan`.
        key: Whose noise.
        store: Where finished draws are kept.

    Returns:
        One estimate for each loss; all rest on the same draws.
    """
    variates = [ControlVariate(losses, plan.probabilities) for losses in plan.centre]
    found = [_look(variate, plan, None) for variate in variates]
    chunk = 0
    while chunk * DRAWS_AT_A_TIME < plan.most and not all(_done(e, plan) for e in found):
        chosen = _choose(plan.probabilities, key, chunk)
        losses = store.get(
            key.stratum, chunk, _scores(scorer, [units[i] for i in chosen], sigmas, key, chunk)
        )
        blocks = len(chosen) // scorer.units_per_draw
        for variate, drawn in zip(variates, losses, strict=True):
            variate.update(drawn.reshape(blocks, -1), chosen.reshape(blocks, -1))
        found = [
            _look(variate, plan, before) for variate, before in zip(variates, found, strict=True)
        ]
        chunk += 1
    return found


def _scores(
    scorer: Scorer,
    units: Sequence[Unit],
    sigmas: dict[str, float],
    key: NoiseKey,
    chunk: int,
) -> Callable[[], FloatArray]:
    return lambda: scorer.under_noise(units, sigmas, key=key, draw=chunk)


def _choose(probabilities: FloatArray, key: NoiseKey, chunk: int) -> np.ndarray:
    generator = keyed_generator(
        seed=key.seed, stream=Stream.EXAMPLES, stratum=key.stratum, draw=chunk
    )
    return generator.choice(len(probabilities), size=DRAWS_AT_A_TIME, p=probabilities)


def _look(variate: ControlVariate, plan: Plan, before: Estimate | None) -> Estimate:
    """The interval now; all earlier ones hold on the same event."""
    low, high = variate.lower(plan.delta / 2), variate.upper(plan.delta / 2)
    if before is not None:
        low, high = max(low, before.interval[0]), min(high, before.interval[1])
    mean = min(max(variate.mean, low), high)
    return Estimate(mean=mean, interval=(low, high), n_draws=variate.n_draws)


def _done(found: Estimate, plan: Plan) -> bool:
    return found.n_draws > 0 and found.interval[1] - found.mean <= plan.tolerance
