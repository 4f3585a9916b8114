"""The posterior's empirical risk: from whole passes, or from as few draws as it takes.

In the second way a draw is a pair: a unit, chosen with a probability fixed beforehand, and fresh
posterior noise. What is averaged is how far its loss under noise is from its known loss without, so
that only the units that the noise changes count; units with small margins are chosen more often.
The interval is a betting bound, valid whenever one looks, and drawing stops when it is narrow
enough.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from pacbayes.confidence import ControlVariate
from pacbayes.data.sample import Unit
from pacbayes.draws import Draws, DrawStore, Estimate
from pacbayes.losses import MARGIN
from pacbayes.posteriors.family import Spread
from pacbayes.posteriors.noise import Draw, NoiseKey, Stream
from pacbayes.risk import FloatArray, Scorer

METHOD = "betting interval on differences from unperturbed losses, units drawn by their margins"

DRAWS_AT_A_TIME = 512
"""Pairs between two looks at the interval, or a few more to fill the last block."""

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
class Sampler:
    """Estimates the posterior's mean losses on one stratum, all losses from the same draws.

    Attributes:
        scorer: Scores with the losses of the certificate.
        units: The units of the stratum.
        sigmas: The law of each tensor's noise.
        seed: Of all draws.
        stratum: Number of the stratum.
        store: Where finished draws are kept.
        passes: Whole passes over the units, or as many draws at most.
        pilot: Units that are tried under noise that is no draw of the certificate.
        delta: Failure probability of each estimate's interval, both sides together.
    """

    scorer: Scorer
    units: Sequence[Unit]
    sigmas: Mapping[str, Spread]
    seed: int
    stratum: int
    store: DrawStore
    passes: int
    pilot: int
    delta: float

    def whole_passes(self) -> tuple[FloatArray, list[Estimate]]:
        """Losses without noise, shape (losses, units), and an estimate of each loss under noise."""
        key = self._key(Stream.CERTIFICATE)

        def one_pass(draw: int) -> FloatArray:
            return self.store.get(
                self.stratum,
                draw,
                lambda: self.scorer.under_noise(self.units, self.sigmas, key=key, draw=draw),
            )

        losses = np.stack([one_pass(draw) for draw in range(self.passes)], axis=1)
        draws = [Draws(losses=of_one, block=self.scorer.units_per_draw) for of_one in losses]
        return self.scorer.at_centre(self.units), [found.estimate(self.delta) for found in draws]

    def until(self, tolerance: float) -> tuple[FloatArray, list[Estimate]]:
        """As `whole_passes`, from as few draws as the tolerance takes."""
        plan = self.plan(tolerance)
        key = self._key(Stream.CERTIFICATE)
        found = sample_pairs(self.scorer, self.units, self.sigmas, plan, key=key, store=self.store)
        return plan.centre, found

    def plan(self, tolerance: float) -> Plan:
        """Scores all units without noise and a pilot with it, and fixes how units are drawn."""
        with_margin = replace(self.scorer, losses=(*self.scorer.losses, MARGIN))
        *centre, margins = with_margin.at_centre(self.units)
        tried, key = self.units[: self.pilot], self._key(Stream.PILOT)
        noisy = self.scorer.under_noise(tried, self.sigmas, key=key, draw=0)
        flipped = float((noisy[0] != centre[0][: self.pilot]).mean())
        return Plan(
            centre=np.array(centre),
            probabilities=probabilities_by_margin(margins, flipped),
            tolerance=tolerance,
            delta=self.delta,
            most=self.passes * len(self.units),
        )

    def _key(self, stream: Stream) -> NoiseKey:
        return NoiseKey(seed=self.seed, stream=stream, stratum=self.stratum)


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


def sample_pairs(
    scorer: Scorer,
    units: Sequence[Unit],
    sigmas: Mapping[str, Spread],
    plan: Plan,
    *,
    key: NoiseKey,
    store: DrawStore,
) -> list[Estimate]:
    """Draws pairs until the posterior's mean of each loss over the units is known well enough.

    Args:
        scorer: Scores with the losses of the plan.
        units: The units of a stratum.
        sigmas: The law of each tensor's noise.
        plan: See `Plan`.
        key: Whose noise.
        store: Where finished draws are kept.

    Returns:
        One estimate for each loss; all rest on the same draws.
    """
    variates = [ControlVariate(losses, plan.probabilities) for losses in plan.centre]
    found = [_look(variate, plan, None) for variate in variates]
    block = scorer.units_per_draw
    size = block * -(-DRAWS_AT_A_TIME // block)
    chunk = 0
    while chunk * size < plan.most and not all(_done(e, plan) for e in found):
        chosen = _choose(plan.probabilities, size, key, chunk)
        losses = store.get(
            key.stratum, chunk, _scores(scorer, [units[i] for i in chosen], sigmas, key, chunk)
        )
        for variate, drawn in zip(variates, losses, strict=True):
            variate.update(drawn.reshape(-1, block), chosen.reshape(-1, block))
        found = [
            _look(variate, plan, before) for variate, before in zip(variates, found, strict=True)
        ]
        chunk += 1
    return found


def _scores(
    scorer: Scorer,
    units: Sequence[Unit],
    sigmas: Mapping[str, Spread],
    key: NoiseKey,
    chunk: int,
) -> Callable[[], FloatArray]:
    return lambda: scorer.under_noise(units, sigmas, key=key, draw=chunk)


def _choose(
    probabilities: FloatArray, size: int, key: NoiseKey, chunk: int
) -> npt.NDArray[np.int64]:
    examples = replace(key, stream=Stream.EXAMPLES)
    generator = np.random.Generator(Draw(key=examples, number=chunk, unit=0).bits(part=0))
    return generator.choice(len(probabilities), size=size, p=probabilities)


def _look(variate: ControlVariate, plan: Plan, before: Estimate | None) -> Estimate:
    """The interval now; all earlier ones hold on the same event."""
    low, high = variate.lower(plan.delta / 2), variate.upper(plan.delta / 2)
    if before is not None:
        low, high = max(low, before.interval[0]), min(high, before.interval[1])
    mean = min(max(variate.mean, low), high)
    return Estimate(mean=mean, interval=(low, high), n_draws=variate.n_draws, method=METHOD)


def _done(found: Estimate, plan: Plan) -> bool:
    return found.n_draws > 0 and found.interval[1] - found.mean <= plan.tolerance
