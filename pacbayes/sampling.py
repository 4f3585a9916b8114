"""The posterior's empirical risk: from whole passes, or from as few draws as it takes.

In the second way a draw is a pair: a unit, chosen with a probability fixed beforehand, and fresh
posterior noise. What is averaged is how far its loss under noise is from its known loss without, so
that only the units that the noise changes count; units with small margins are chosen more often.
The interval is a betting bound, valid whenever one looks, and drawing stops when it is narrow
enough.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from pacbayes.bets import bet_from, log_shares, shares_of
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

UNIFORM_SHARES = (1.0, 0.6, 0.3)
"""Of the draws, what may be spread evenly over the units: no weight is above its inverse."""

_UNSEEN = 4
"""Changes added to those that the pilot saw."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is fixed before drawing.

    Attributes:
        centre: Loss of each unit without noise, shape (losses, units).
        probabilities: With which each unit is drawn, shape (units,).
        tolerance: Wanted distance of the upper bound from the mean.
        delta: Failure probability of the interval, both sides together.
        most: Draws after which to stop in any case.
        lams: For each loss the bets to be bounded as well.
        aims: For each loss, the tolerance over the variance of a draw, from a pilot.
    """

    centre: FloatArray
    probabilities: FloatArray
    tolerance: float
    delta: float
    most: int
    lams: tuple[tuple[float, ...], ...]
    aims: tuple[float | None, ...]


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

    @property
    def n_draws(self) -> int:
        """Draws in all passes."""
        return self.passes * -(-len(self.units) // self.scorer.units_per_draw)

    def pilot_losses(self) -> FloatArray:
        """Losses of a few units under noise that is no draw of the certificate, (losses, units)."""
        tried, key = self.units[: self.pilot], self._key(Stream.PILOT)
        return self.scorer.under_noise(tried, self.sigmas, key=key, draw=0)

    def whole_passes(
        self, lams: Sequence[Sequence[float]] = ()
    ) -> tuple[FloatArray, list[Estimate]]:
        """Losses without noise, shape (losses, units), and an estimate of each loss under noise.

        Args:
            lams: For each loss the bets that its estimate shall be bounded at as well.
        """
        key = self._key(Stream.CERTIFICATE)

        def one_pass(draw: int) -> FloatArray:
            return self.store.get(
                self.stratum,
                draw,
                lambda: self.scorer.under_noise(self.units, self.sigmas, key=key, draw=draw),
                shape=(len(self.scorer.losses), len(self.units)),
            )

        losses = np.stack([one_pass(draw) for draw in range(self.passes)], axis=1)
        draws = [Draws(losses=of_one, block=self.scorer.units_per_draw) for of_one in losses]
        bets = lams or [()] * len(draws)
        found = [
            drawn.estimate(self.delta, of_one) for drawn, of_one in zip(draws, bets, strict=True)
        ]
        return self._centre(self.scorer), found

    def until(
        self, tolerance: float, pilot: FloatArray, lams: Sequence[Sequence[float]] = ()
    ) -> tuple[FloatArray, list[Estimate]]:
        """As `whole_passes`, from as few draws as the tolerance takes.

        Args:
            tolerance: See `Plan`.
            pilot: The `pilot_losses`.
            lams: As `whole_passes`.
        """
        plan = self.plan(tolerance, pilot, lams)
        key = self._key(Stream.CERTIFICATE)
        found = sample_pairs(self.scorer, self.units, self.sigmas, plan, key=key, store=self.store)
        return plan.centre, found

    def plan(
        self, tolerance: float, pilot: FloatArray, lams: Sequence[Sequence[float]] = ()
    ) -> Plan:
        """Scores all units without noise, and fixes how units are drawn."""
        with_margin = replace(self.scorer, losses=(*self.scorer.losses, MARGIN))
        *centre, margins = self._centre(with_margin)
        moved = (pilot - np.array(centre)[:, : self.pilot]) ** 2
        probabilities = best_probabilities(margins, moved[0])
        aims = [tolerance / _variance(squares, probabilities) for squares in moved]
        self.store.keep(self.stratum, "probabilities", probabilities[None])
        self.store.keep(self.stratum, "aims", np.array([aims]))
        return Plan(
            centre=np.array(centre),
            probabilities=probabilities,
            tolerance=tolerance,
            delta=self.delta,
            most=self.passes * len(self.units),
            lams=tuple(map(tuple, lams or [()] * len(centre))),
            aims=tuple(aims),
        )

    def _centre(self, scorer: Scorer) -> FloatArray:
        """Scores without noise; kept, as a certificate states their mean."""
        name = "margins" if MARGIN in scorer.losses else "centre"
        shape = len(scorer.losses), len(self.units)
        return self.store.get(self.stratum, name, lambda: scorer.at_centre(self.units), shape=shape)

    def _key(self, stream: Stream) -> NoiseKey:
        return NoiseKey(seed=self.seed, stream=stream, stratum=self.stratum)


def best_probabilities(margins: FloatArray, moved: FloatArray) -> FloatArray:
    """Of several ways to draw units, the one that promises the least variance.

    A draw of unit i with probability p_i moves the estimate by d_i/(N p_i), d_i the change of its
    loss; the second moment of that is the mean over units of d_i²/(N p_i). The pilot's estimate of
    it gets a few changes more that may be anywhere, as units far from a change weigh most and are
    seldom seen to change.

    Args:
        margins: As `probabilities_by_margin`.
        moved: d_i² of the first units, those of the pilot.
    """
    size = len(moved)
    flipped = float(moved.mean())
    ways = [probabilities_by_margin(margins, flipped, share) for share in UNIFORM_SHARES]
    return min(
        ways,
        key=lambda p: float((moved / p[:size]).sum() + _UNSEEN * (1 / p).mean()),
    )


def _variance(moved: FloatArray, probabilities: FloatArray) -> float:
    """Of one draw, about: the pilot's second moment, with half a change more against none."""
    weights = 1 / (len(probabilities) * probabilities)
    return float((moved * weights[: len(moved)]).sum() + 0.5) / len(moved)


def probabilities_by_margin(margins: FloatArray, flipped: float, uniform: float) -> FloatArray:
    """Probabilities that grow with how likely the noise is to change a unit's loss.

    The best are in proportion to the root of that likelihood. It is taken as Φ(−margin/s), the
    scale s such that it averages `flipped`; whatever it is, the bounds hold.

    Args:
        margins: Distance of each unit from a change, at least 0, shape (units,).
        flipped: Share of a pilot's losses that the noise changed.
        uniform: Share of the draws that is spread evenly.
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
    mixed = uniform / n + (1 - uniform) * spread
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
    estimators = [
        _Estimator.of(losses, plan, lams, aim)
        for losses, lams, aim in zip(plan.centre, plan.lams, plan.aims, strict=True)
    ]
    block = scorer.units_per_draw
    size = block * -(-DRAWS_AT_A_TIME // block)
    chunk, led = 0, scorer.team.led  # all draw the same units as often: see `Search.score`
    while chunk * size < plan.most and not led(
        lambda: all(e.narrower_than(plan.tolerance) for e in estimators)
    ):
        chosen = led(partial(_choose, plan.probabilities, size, key, chunk))
        store.keep(key.stratum, f"units{chunk}", chosen[None].astype(np.float64))
        losses = store.get(
            key.stratum,
            chunk,
            _scores(scorer, [units[i] for i in chosen], sigmas, key, chunk),
            shape=(len(estimators), size),
            of=hashlib.sha256(chosen.astype("<i8").tobytes()).hexdigest()[:16],
        )
        for estimator, drawn in zip(estimators, losses, strict=True):
            estimator.update(drawn.reshape(-1, block), chosen.reshape(-1, block))
        chunk += 1
    return [estimator.estimate() for estimator in estimators]


@dataclass(kw_only=True)
class _Estimator:
    """One loss, and what bets make of it, from pairs seen so far."""

    delta: float
    variate: ControlVariate
    bets: Mapping[float, ControlVariate]
    interval: tuple[float, float] = (0.0, 1.0)

    @classmethod
    def of(
        cls, centre: FloatArray, plan: Plan, lams: Sequence[float], aim: float | None
    ) -> _Estimator:
        return cls(
            delta=plan.delta,
            variate=ControlVariate(centre, plan.probabilities, aim=aim),
            bets={lam: ControlVariate(log_shares(lam, centre), plan.probabilities) for lam in lams},
        )

    def update(self, losses: FloatArray, chosen: npt.NDArray[np.int64]) -> None:
        self.variate.update(losses, chosen)
        for lam, variate in self.bets.items():
            variate.update(log_shares(lam, losses), chosen)
        share, _ = shares_of(self.delta, len(self.bets))
        low, high = self.variate.lower(share / 2), self.variate.upper(share / 2)
        # all intervals, at whatever number of draws, hold on one event
        self.interval = (max(low, self.interval[0]), min(high, self.interval[1]))

    def narrower_than(self, tolerance: float) -> bool:
        return self.variate.n_draws > 0 and self.interval[1] - self.mean <= tolerance

    @property
    def mean(self) -> float:
        return min(max(self.variate.mean, self.interval[0]), self.interval[1])

    def estimate(self) -> Estimate:
        _, each = shares_of(self.delta, len(self.bets))
        return Estimate(
            mean=self.mean,
            interval=self.interval,
            n_draws=self.variate.n_draws,
            method=METHOD,
            bets=tuple(
                bet_from(lam, v.upper(each) if lam > 0 else v.lower(each))
                for lam, v in self.bets.items()
            ),
        )


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
