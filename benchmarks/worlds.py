"""Worlds with a known answer: how risky a student is after n examples of difficulty d.

A planner sees `World.pilots` only; its choice is judged by `World.target_risk`, which is exact.

    from benchmarks.worlds import parametric_worlds

    for world in parametric_worlds(20):                    # other families: MISSPECIFIED, below
        pilots = world.pilots(np.random.default_rng(0))    # plain arrays, see `Pilots`
        truth = world.target_risk(world.grid, 16 * pilots.budget.max())     # (101,)
        best = world.optimal_difficulty(16 * pilots.budget.max())
        mixed = world.mixture_risk([0.5, 0, 0, 0, 0.5], 16 * pilots.budget.max())

Difficulties lie in [0, 1], larger is harder; there are five strata, whose mean difficulties are
.1, .3, .5, .7 and .9; training on difficulty d is training on a window as wide as a stratum that
is centred at d, so that d lies in [.1, .9]. `benchmarks.perceptron` has worlds of the same
interface that are simulated.

In the family of the planner (well specified) the risk on stratum s after n examples is

    R_s(d, n) = c_s(d) + (r_s - c_s(d)) / (1 + (n / k(d))^g),

r_s the base model's, c_s not increasing and k not decreasing in d, g the same for all, so that the
risk on any target mixture has the same form. With train weights w over strata (a convention, but
pure weights agree with the above): c_s is the mean under w, 1 / k is the mean of 1 / k under w.
The misspecified families depart from it within the budgets of the pilots.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike

from benchmarks.world import GRID, MULTIPLES, STRATA, TARGETS, Array, Outcomes, Pilots, World

__all__ = [
    "GRID",
    "MISSPECIFIED",
    "MULTIPLES",
    "STRATA",
    "TARGETS",
    "Outcomes",
    "Pilots",
    "World",
    "parametric_world",
    "parametric_worlds",
]


@dataclass(frozen=True, kw_only=True)
class _Curves:
    """Parameters of the family: values at equidistant difficulties from 0 to 1, (S, K) or (K,)."""

    base: Array
    floor: Array
    log_k: Array
    g: float | Array
    kl_scale: float
    kl_slope: float
    kl_exponent: float
    spread: float

    def floors(self, difficulty: Array) -> Array:
        """c_s(d), (..., S)."""
        return np.stack([_interpolate(difficulty, row) for row in self.floor], axis=-1)

    def log_ks(self, difficulty: Array) -> Array:
        """Ln k(d)."""
        return _interpolate(difficulty, self.log_k)

    def gs(self, difficulty: Array) -> Array:
        """g, or g(d)."""
        return _interpolate(difficulty, np.broadcast_to(self.g, self.log_k.shape))

    def risk(self, difficulty: ArrayLike, budget: ArrayLike) -> Array:
        """R_s(d, n)."""
        d, n = np.broadcast_arrays(np.asarray(difficulty, float), np.asarray(budget, float))
        return self._risk(self.floors(d), np.log(n) - self.log_ks(d), self.gs(d))

    def mixture_risk(self, train_weights: ArrayLike, budget: ArrayLike) -> Array:
        """R_s(w, n)."""
        w, n = np.asarray(train_weights, float), np.asarray(budget, float)
        progress = np.log(n) + np.log(w @ np.exp(-self.log_ks(STRATA)))
        return self._risk(w @ self.floors(STRATA), progress, w @ self.gs(STRATA))

    def _risk(self, floor: Array, progress: Array, g: Array) -> Array:
        left = 1 / (1 + np.exp(g * progress))
        return floor + (self.base - floor) * left[..., None]

    def kl(self, difficulty: Array, budget: Array) -> Array:
        """Scale · n^a · exp(slope · d)."""
        return self.kl_scale * budget**self.kl_exponent * np.exp(self.kl_slope * difficulty)


def _interpolate(difficulty: Array, values: Array) -> Array:
    return np.interp(difficulty, np.linspace(0.0, 1.0, len(values)), values)


def _smooth_rise(rng: np.random.Generator, size: int = 21) -> Array:
    """From 0 at difficulty 0 to 1 at 1, never falling: a Beta distribution function, roughly."""
    d = np.linspace(0.0, 1.0, size)
    power, weight = np.exp(rng.uniform(-0.6, 0.6)), rng.uniform(0, 1)
    return weight * d**power + (1 - weight) * (1 - (1 - d) ** power)


def _parameters(rng: np.random.Generator) -> _Curves:
    """Draw a world in which easy data teach fast and little, hard data slowly and much."""
    base = np.sort(rng.uniform(0.25, 0.85, size=len(STRATA)))
    easy = rng.uniform(0.5, 0.9) * base  # what training on the easiest leaves
    hard = rng.uniform(0.05, 0.4) * easy
    fall = np.stack([_smooth_rise(rng) for _ in STRATA])
    # the budget that halves the way: easy within the pilots, hard up to beyond all budgets
    low = rng.uniform(np.log(30), np.log(200))
    return _Curves(
        base=base,
        floor=easy[:, None] - (easy - hard)[:, None] * fall,
        log_k=low + rng.uniform(np.log(30), np.log(1000)) * _smooth_rise(rng),
        g=rng.uniform(0.6, 1.3),
        kl_scale=np.exp(rng.uniform(0, 2)),
        kl_slope=rng.uniform(0.5, 2.0),
        kl_exponent=rng.uniform(0.3, 0.8),
        spread=rng.uniform(0.01, 0.06),
    )


def _train(
    curves: _Curves, risk: Callable[[ArrayLike, ArrayLike], Array]
) -> Callable[[Array, Array, np.random.Generator], Outcomes]:
    """Students whose risks scatter around the mean risk, on all strata together and on each."""

    def train(difficulty: Array, budget: Array, rng: np.random.Generator) -> Outcomes:
        mean = risk(difficulty, budget)
        scatter = rng.standard_normal((len(mean), 1)) + 0.5 * rng.standard_normal(mean.shape)
        # of mean 1, so that the mean risk is the mean over students
        factor = np.exp(curves.spread * scatter - 0.625 * curves.spread**2)
        risks = np.minimum(mean * factor, 1.0)
        own = np.array(
            [np.interp(d, STRATA, row) for d, row in zip(difficulty, risks, strict=True)]
        )
        fitted = budget / (budget + np.exp(curves.log_ks(difficulty)))
        noise = np.exp(0.05 * rng.standard_normal(len(mean)))
        return Outcomes(
            stratum_risk=risks,
            empirical_risk=rng.binomial(budget.astype(int), own * fitted) / budget,
            kl=curves.kl(difficulty, budget) * noise,
        )

    return train


def parametric_world(number: int, *, kl_exponent: float | None = None) -> World:
    """A world of the family with random parameters.

    Args:
        number: Seed of the parameters.
        kl_exponent: a of a KL that grows like n^a, instead of one below 1 at random; it has no
            part in the risks.
    """
    rng = np.random.default_rng([5, number])
    curves = _parameters(rng)
    if kl_exponent is not None:
        curves = replace(curves, kl_exponent=kl_exponent)
    smallest = int(rng.integers(100, 400))
    return World(
        name=f"parametric-{number}",
        kind="well specified",
        base_risk=curves.base,
        target_weights=np.array(TARGETS[list(TARGETS)[number % len(TARGETS)]]),
        stratum_risk=curves.risk,
        mixture_stratum_risk=curves.mixture_risk,
        train=_train(curves, curves.risk),
        pilot_budgets=(smallest, 3 * smallest, 9 * smallest),
        strata=STRATA,
        grid=GRID,
        kl_exponent=curves.kl_exponent,
    )


def parametric_worlds(count: int, first: int = 0) -> Iterator[World]:
    """That many worlds of the family."""
    return map(parametric_world, range(first, first + count))


def peak_world(number: int) -> World:
    """Risk rises and falls again around the middle pilot budget, most on hard data.

    As where a model with label noise in its data is just able to fit them.
    """

    def factor(d: Array, n: Array, budgets: tuple[int, ...]) -> Array:
        return 1 + (0.4 + 0.6 * d) * np.exp(-2 * np.log(n / budgets[1]) ** 2)

    return _departed("peak", number, factor)


def jump_world(number: int) -> World:
    """Risk falls to a third at once, at a budget between the pilots that is larger for hard data.

    As in an abrupt phase change of what is learned.
    """

    def factor(d: Array, n: Array, budgets: tuple[int, ...]) -> Array:
        at = np.log(budgets[0]) + (0.25 + 0.7 * d) * np.log(budgets[-1] / budgets[0])
        return 1 - (2 / 3) / (1 + np.exp(-8 * (np.log(n) - at)))

    return _departed("jump", number, factor)


def backfire_world(number: int) -> World:
    """Training on the hard half makes the student worse with every example.

    As with hard examples whose labels are mostly wrong: the floor rises with difficulty there.
    """

    def factor(d: Array, n: Array, budgets: tuple[int, ...]) -> Array:
        return 1 + np.maximum(d - 0.45, 0) * np.log1p(n / budgets[0])

    return _departed("backfire", number, factor)


def _departed(family: str, number: int, factor: Callable[..., Array]) -> World:
    """The parametric world of that number, its risks multiplied by a factor of d, n and budgets."""
    world = parametric_world(number)
    curves = _parameters(np.random.default_rng([5, number]))
    budgets = world.pilot_budgets

    def risk(difficulty: ArrayLike, budget: ArrayLike) -> Array:
        d, n = np.asarray(difficulty, float), np.asarray(budget, float)
        return np.minimum(curves.risk(d, n) * factor(d, n, budgets)[..., None], 0.99)

    def mixture_risk(train_weights: ArrayLike, budget: ArrayLike) -> Array:
        w, n = np.asarray(train_weights, float), np.asarray(budget, float)
        factors = (w * factor(STRATA, n[..., None], budgets)).sum(axis=-1)
        return np.minimum(curves.mixture_risk(w, n) * factors[..., None], 0.99)

    return replace(
        world,
        name=f"{family}-{number}",
        kind="misspecified",
        stratum_risk=risk,
        mixture_stratum_risk=mixture_risk,
        train=_train(curves, risk),
    )


MISSPECIFIED: Mapping[str, Callable[[int], World]] = MappingProxyType(
    {"peak": peak_world, "jump": jump_world, "backfire": backfire_world}
)
"""Families by name, each from a number."""
