"""How KL(Q‖P) grows with the budget: the exponent a of KL(d, n) = c·n^a·h(d).

The comparative statics turn on a: in the square-root form the generalization gap goes as
√(n^(a−1) h(d)), so below 1 more data favours harder data, at 1 it changes nothing, and above 1 it
favours easier data.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from pacbayes.errors import InputError

Floats = NDArray[np.float64]
Integers = NDArray[np.intp]

FLAT_MARGIN = 0.05
"""An exponent this close to 1, with all its interval, is called flat: over a factor 16 in budget
the gap then changes by less than a twelfth."""

DIFFERENT = 0.01
"""Significance level of the test whether all difficulties share one exponent."""


@dataclass(frozen=True, kw_only=True)
class KlGrowth:
    """The growth of KL with budget; an estimate.

    Attributes:
        exponent: a, or None if each difficulty was run at one budget only.
        interval: At `level`, or None likewise, and where nothing tells the noise.
        level: Of the interval.
        verdict: "shift" (a < 1), "flat", "reversal" (a > 1) or "undecided".
        statement: The verdict in a sentence.
        difficulties: Shape (D,).
        kl: The fitted KL at each difficulty and the geometric mean budget, shape (D,).
        reference_budget: That budget.
        shared: Whether the runs agree with one exponent for all difficulties; None if they cannot
            tell.
    """

    exponent: float | None
    interval: tuple[float, float] | None
    level: float
    verdict: str
    statement: str
    difficulties: tuple[float, ...]
    kl: tuple[float, ...]
    reference_budget: float
    shared: bool | None

    def at(self, budget: float) -> Floats:
        """Return the forecast KL at a budget, shape (D,).

        Raises:
            InputError: The exponent is not known and the budget is another than that of the runs.
        """
        ratio = budget / self.reference_budget
        if self.exponent is None:
            if not np.isclose(ratio, 1):
                raise InputError("one budget does not tell how KL grows; nothing to forecast from.")
            return np.array(self.kl)
        forecast: Floats = np.array(self.kl) * ratio**self.exponent
        return forecast


def kl_growth(
    *,
    difficulty: ArrayLike,
    budget: ArrayLike,
    kl: ArrayLike,
    level: float = 0.9,
    monotone: bool = False,
) -> KlGrowth:
    """Fit ln KL = a·ln n + ln(c·h(d)) by least squares over runs.

    The interval is Student's, of independent errors of one variance in ln KL. If difficulties
    differ in their exponents (F test), the interval is that of the mean exponent over difficulties
    instead, which their scatter widens.

    Args:
        difficulty: Of each run's training data, shape (runs,).
        budget: Positive, shape (runs,).
        kl: In nats, positive, shape (runs,).
        level: Of the interval, in (0, 1).
        monotone: Whether h is held nondecreasing in d; else it is free.

    Raises:
        InputError: Arrays of different length, or a value outside its domain.

    >>> growth = kl_growth(difficulty=[0, 0, 1, 1], budget=[10, 40, 10, 40], kl=[1, 2, 3, 6])
    >>> round(growth.exponent, 6), growth.verdict
    (0.5, 'shift')
    """
    if not 0 < level < 1:
        raise InputError(f"`level` must lie in (0, 1), got {level:g}.")
    d, log_n, log_kl = _columns(difficulty, budget, kl)
    difficulties, place = np.unique(d, return_inverse=True)
    reference = float(np.mean(log_n))
    x = log_n - reference
    exponent, heights, residuals = _fit(place, x, log_kl, monotone)
    interval, shared = None, None
    if exponent is not None:
        interval, shared = _interval(place, x, log_kl, exponent, residuals, level)
    verdict = _verdict(interval)
    return KlGrowth(
        exponent=exponent,
        interval=interval,
        level=level,
        verdict=verdict,
        statement=_statement(verdict, exponent, interval, level, shared),
        difficulties=tuple(map(float, difficulties)),
        kl=tuple(map(float, np.exp(heights))),
        reference_budget=float(np.exp(reference)),
        shared=shared,
    )


def _columns(*values: ArrayLike) -> tuple[Floats, Floats, Floats]:
    d, n, kl = (np.asarray(v, dtype=np.float64) for v in values)
    if d.ndim != 1 or not d.shape == n.shape == kl.shape or not d.size:
        raise InputError("`difficulty`, `budget` and `kl` must be lists with one entry a run.")
    for name, column in (("difficulty", d), ("budget", n), ("kl", kl)):
        positive = name == "difficulty" or bool(np.all(column > 0))
        if not (np.all(np.isfinite(column)) and positive):
            raise InputError(
                f"`{name}` must be finite{'' if name == 'difficulty' else ' and above 0'}."
            )
    return d, np.log(n), np.log(kl)


def _fit(
    place: Integers, x: Floats, y: Floats, monotone: bool
) -> tuple[float | None, Floats, Floats]:
    """Return a, ln KL at the reference budget by difficulty, and the residuals."""
    count = np.bincount(place)
    mean_x, mean_y = (np.bincount(place, v) / count for v in (x, y))
    within = x - mean_x[place]
    spread = np.sum(within**2)
    if spread == 0:
        return None, _increasing(mean_y, count) if monotone else mean_y, y - mean_y[place]
    a = float(np.sum(within * y) / spread)
    heights = mean_y - a * mean_x
    if monotone:
        a, heights = _monotone_fit(place, x, y, a)
    return a, heights, y - a * x - heights[place]


def _monotone_fit(place: Integers, x: Floats, y: Floats, a: float) -> tuple[float, Floats]:
    """Take turns between the slope and the isotonic heights; the problem is convex."""
    count = np.bincount(place)
    for _ in range(1000):
        heights = _increasing(np.bincount(place, y - a * x) / count, count)
        before, a = a, float(np.sum(x * (y - heights[place])) / np.sum(x**2))
        if abs(a - before) < 1e-12:
            break
    return a, heights


def _increasing(values: Floats, weights: Integers) -> Floats:
    """Return the nearest nondecreasing values: max over starts of min over ends of block means."""
    total = np.concatenate([[0.0], np.cumsum(values * weights)])
    mass = np.concatenate([[0], np.cumsum(weights)])
    index = range(len(values))
    return np.array(
        [
            max(
                min((total[j + 1] - total[i]) / (mass[j + 1] - mass[i]) for j in index if j >= k)
                for i in index
                if i <= k
            )
            for k in index
        ]
    )


def _interval(
    place: Integers, x: Floats, y: Floats, a: float, residuals: Floats, level: float
) -> tuple[tuple[float, float] | None, bool | None]:
    """Return the interval of a, and whether all difficulties share it."""
    count = np.bincount(place)
    spread = np.bincount(place, (x - (np.bincount(place, x) / count)[place]) ** 2)
    freedom = len(y) - len(count) - 1
    if freedom < 1:
        return None, None
    rss = float(np.sum(residuals**2))
    sloped = spread > 0
    slopes = np.array([_slope(x[place == k], y[place == k]) for k in np.flatnonzero(sloped)])
    between = float(np.sum(spread[sloped] * (slopes - a) ** 2))
    shared = _share_slope(between, rss - between, len(slopes) - 1, freedom - len(slopes) + 1)
    if shared is False:
        half = stats.t.ppf((1 + level) / 2, len(slopes) - 1) * stats.sem(slopes)
    else:
        total = float(np.sum(spread))
        half = stats.t.ppf((1 + level) / 2, freedom) * np.sqrt(rss / freedom / total)
    return (a - float(half), a + float(half)), shared


def _slope(x: Floats, y: Floats) -> float:
    centred = x - x.mean()
    return float(np.sum(centred * y) / np.sum(centred**2))


def _share_slope(between: float, within: float, n_more: int, freedom: int) -> bool | None:
    """Return whether an F test leaves the slopes equal; None if nothing tells."""
    if n_more < 1 or freedom < 1:
        return None
    # differences at the level of rounding are none
    if between <= 1e-20:
        return True
    ratio = between / n_more / max(within / freedom, 1e-300)
    return bool(stats.f.sf(ratio, n_more, freedom) > DIFFERENT)


def _verdict(interval: tuple[float, float] | None) -> str:
    if interval is None:
        return "undecided"
    low, high = interval
    if abs(low - 1) <= FLAT_MARGIN and abs(high - 1) <= FLAT_MARGIN:
        return "flat"
    return "shift" if high < 1 else "reversal" if low > 1 else "undecided"


_MEANING = {
    "shift": "below 1: KL grows more slowly than the budget, so the bound's optimum moves to "
    "harder data as the budget grows",
    "flat": "1 in effect: KL grows like the budget, so more data alone does not move the bound's "
    "optimum",
    "reversal": "above 1: KL grows faster than the budget, so the bound's optimum moves to "
    "easier data as the budget grows (a reversal)",
    "undecided": "not told apart from 1: the runs do not decide which way the bound's optimum "
    "moves",
}


def _statement(
    verdict: str,
    exponent: float | None,
    interval: tuple[float, float] | None,
    level: float,
    shared: bool | None,
) -> str:
    if exponent is None:
        return "All runs of a difficulty have one budget: how KL grows with budget is not known."
    if interval is None:
        return f"KL grows as n^{exponent:.2f} in too few runs to tell its error."
    differ = " Difficulties differ in exponent; this is their mean." if shared is False else ""
    return (
        f"KL grows as n^{exponent:.2f} ({level:.0%} interval {interval[0]:.2f} to "
        f"{interval[1]:.2f}), {_MEANING[verdict]}.{differ}"
    )
