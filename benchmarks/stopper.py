"""How many posterior draws it takes to know the empirical risk well enough, by method.

Run ``python benchmarks/stopper.py``; prints a JSON list, one row a line, in about a minute on one
core. δ′ = 0.01, one-sided. Three columns count draws until

- ``within_0.001``, ``within_0.005``: the upper bound on the empirical risk r̂ of the posterior is
  within so much of r̂ itself, its value for infinitely many draws;
- ``certificate_0.001``: the kl certificate with that bound in it (n = 30,000, KL = 300, δ = 0.05)
  is within 0.001 of the one with r̂ in it; more draws where it rises faster than r̂;

and ``passes_0.001`` is the first of them in forward passes, for 10,000 examples. Methods:

- ``kl``: the kl bound for a number of draws fixed beforehand, were their mean exactly r̂;
- ``betting``: the upper side of `pacbayes.confidence.Stopper`, looked at often;
- ``control variate``, with equal probabilities and with those of importance sampling:
  `pacbayes.confidence.ControlVariate`.

A draw is a hypothesis and its mean loss over all examples (``full set``: beta distributed with
the given standard deviation, 10,000 passes), or a hypothesis on one example (``pair``: one pass).
For pairs the centre has normal margins, to each of which the noise adds its own normal number;
``changed`` is how often that changes a 0-1 loss. Importance sampling knows the margins and the
size of the noise. Medians over runs that look whenever the draws have grown by 2 %.

Unlike what a user sees, the distance is that to the true r̂, not to the mean so far. The theory
notes give, for 0.001 of a certificate, 8 to 25e5 draws with kl and 5 to 40e3 with betting; for
0.001 of r̂, 2.3e10 passes of full sets and 2.3e6 pairs with kl, 2e5 to 1.4e6 pairs with a control
variate and 6e4 to 7e5 with importance sampling, without the risks and the noise behind them. The
kl figures are those of r̂ = 0.5; the others depend on the noise as the rows here do.
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import norm

from pacbayes.bounds import seeger_maurer
from pacbayes.confidence import ControlVariate, Stopper, kl_upper

DELTA, EXAMPLES, RUNS = 0.01, 10_000, 9
GROWTH, FIRST = 1.02, 200
UNIFORM_SHARE = 0.2
"""Of the probabilities with which examples are drawn: no weight is above 1/0.2."""

Bounds = Iterator[tuple[int, float]]
"""Numbers of draws and the upper bound after them."""

Run = Callable[[int], Bounds]
"""From a seed."""

Draw = Callable[[int, np.random.Generator], NDArray[np.float64]]
"""So many draws."""


def tolerances(risk: float) -> dict[str, float]:
    """How near to the risk its bound has to be, by column."""

    def excess(more: float) -> float:
        at = {"kl": 300.0, "n": 30_000, "delta": 0.05}
        both = [seeger_maurer(empirical_risk=r, **at) for r in (risk, risk + more)]
        return both[1] - both[0] - 0.001

    return {
        "within_0.001": 0.001,
        "within_0.005": 0.005,
        "certificate_0.001": brentq(excess, 0.0, 0.01),
    }


def by_kl(risk: float) -> dict[str, int]:
    """The numbers of draws after which the kl bound is so near."""

    def needed(tolerance: float) -> int:
        low, high = 1, 1 << 30
        while low < high:
            n = (low + high) // 2
            near = kl_upper(mean=risk, n_draws=n, delta=DELTA) - risk <= tolerance
            low, high = (low, n) if near else (n + 1, high)
        return high

    return {name: needed(tolerance) for name, tolerance in tolerances(risk).items()}


def by_watching(risk: float, run: Run) -> dict[str, int]:
    """The median over runs of the number of draws after which the bound first was so near."""
    results: dict[str, list[int]] = {name: [] for name in tolerances(risk)}
    for seed in range(RUNS):
        left = dict(tolerances(risk))
        for draws, bound in run(seed):
            for name in [name for name, near in left.items() if bound - risk <= near]:
                results[name].append(draws)
                del left[name]
            if not left:
                break
    return {name: int(statistics.median(numbers)) for name, numbers in results.items()}


def chunks() -> Iterator[int]:
    """How many draws to take before each look."""
    size = FIRST
    yield size
    while True:
        more = math.ceil(size * (GROWTH - 1))
        yield more
        size += more


def betting(draw: Draw) -> Run:
    """A run of the stopper on draws."""

    def run(seed: int) -> Bounds:
        rng = np.random.default_rng(seed)
        stopper = Stopper(tolerance=1e-9, delta=DELTA, side="upper")
        for size in chunks():
            stopper.update(draw(size, rng))
            yield stopper.n_draws, stopper.interval[1]

    return run


def full_sets(mean: float, spread: float) -> Draw:
    """Mean losses of hypotheses over all examples."""
    total = mean * (1 - mean) / spread**2 - 1
    return lambda size, rng: rng.beta(mean * total, (1 - mean) * total, size=size)


class Margins:
    """A centre with normal margins of which some are below 0, and noise on them."""

    def __init__(self, error: float, noise: float) -> None:
        # at the quantiles, so that there is no chance in the problem itself
        self.margins = norm.isf(error) + norm.ppf((np.arange(EXAMPLES) + 0.5) / EXAMPLES)
        self.noise = noise
        self.centre = (self.margins < 0).astype(float)
        self.changes = norm.sf(np.abs(self.margins) / noise)
        self.risk = float(norm.cdf(-self.margins / noise).mean())

    def losses(self, examples: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.float64]:
        """Of a fresh hypothesis on each example."""
        margins = self.margins[examples] + self.noise * rng.standard_normal(len(examples))
        return (margins < 0).astype(float)

    def pairs(self, size: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Losses on examples drawn alike."""
        return self.losses(rng.integers(EXAMPLES, size=size), rng)

    def unequal(self) -> NDArray[np.float64]:
        """Probabilities like the root of the mean squared difference, mixed with equal ones."""
        root = np.sqrt(self.changes)
        return (1 - UNIFORM_SHARE) * root / root.sum() + UNIFORM_SHARE / EXAMPLES

    def watch(self, probabilities: NDArray[np.float64] | None) -> Run:
        """A run of the control variate."""

        def run(seed: int) -> Bounds:
            rng, best = np.random.default_rng(seed), 1.0
            variate = ControlVariate(self.centre, probabilities)
            for size in chunks():
                examples = variate.sample(size, rng)
                variate.update(self.losses(examples, rng), examples)
                best = min(best, variate.upper(DELTA))
                yield variate.n_draws, best

        return run


def rows() -> Iterator[dict[str, object]]:
    """The table, row by row."""

    def row(method: str, draw: str, risk: float, counts: dict[str, int], **further: float) -> dict:
        passes = counts["within_0.001"] * (EXAMPLES if draw == "full set" else 1)
        start = {"method": method, "draw": draw, "risk": round(risk, 5)}
        return {**start, **further, **counts, "passes_0.001": passes}

    for mean, spreads in ((0.02, (0.002, 0.005, 0.01)), (0.1, (0.02, 0.05)), (0.5, (0.02, 0.05))):
        yield row("kl", "full set", mean, by_kl(mean))
        for spread in spreads:
            counts = by_watching(mean, betting(full_sets(mean, spread)))
            yield row("betting", "full set", mean, counts, sd=spread)
    for error, noise in ((0.02, 0.1), (0.02, 0.4), (0.2, 0.1), (0.45, 0.3)):
        problem = Margins(error, noise)
        risk, changed = problem.risk, {"changed": round(float(problem.changes.mean()), 5)}
        yield row("kl", "pair", risk, by_kl(risk), **changed)
        yield row("betting", "pair", risk, by_watching(risk, betting(problem.pairs)), **changed)
        for name, probabilities in (
            ("control variate", None),
            ("control variate with importance sampling", problem.unequal()),
        ):
            counts = by_watching(risk, problem.watch(probabilities))
            yield row(name, "pair", risk, counts, **changed)


def main() -> None:
    """Prints the table."""
    print("[\n" + ",\n".join(json.dumps(row) for row in rows()) + "\n]")


if __name__ == "__main__":
    main()
