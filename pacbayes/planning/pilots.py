"""Runs as arrays: difficulty, budget, KL, and what was measured of each on the target."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pacbayes.errors import InputError
from pacbayes.plan import StratumInfo, Target
from pacbayes.runs import Measured, Run
from pacbayes.schema import require

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Pilots:
    """Runs of one base model; arrays have shape (runs,).

    Attributes:
        base: The base model.
        runs: The runs.
        difficulty: Mean difficulty of the training data, one value for all runs on one mixture of
            strata, whose samples differ by chance.
        target_risk: Measured risk on the target.
        n_target: Units that its error is that of.
        base_risk: The base model's risk on the target, or None.
        n_base: Units that was measured on, or None.
        mixed: Further runs of this base, on mixtures of strata, which no curve is fitted to.
        mixed_risk: Their measured risk on the target.
        mixed_n: Units that its error is that of.
    """

    base: str
    runs: tuple[Run, ...]
    difficulty: Floats
    target_risk: Floats
    n_target: Floats
    base_risk: float | None
    n_base: int | None
    mixed: tuple[Run, ...]
    mixed_risk: tuple[float, ...]
    mixed_n: tuple[float, ...]

    def strata(self) -> dict[str, float] | None:
        """The strata trained on with their difficulties, easy first; None if any run mixes them."""
        if any(len(_key(run)) > 1 for run in self.runs):
            return None
        pairs = zip(self.difficulty, (_key(run)[0][0] for run in self.runs), strict=True)
        return {name: float(difficulty) for difficulty, name in sorted(set(pairs))}

    def column(self, name: str) -> Floats:
        """A field of all runs."""
        return np.array([getattr(run, name) for run in self.runs], dtype=np.float64)

    @property
    def budget(self) -> Floats:
        """Their budgets."""
        return self.column("budget")

    def own_risk(self) -> tuple[Floats, Floats] | None:
        """Held-out risk on the training distribution, and the units that its error is that of.

        None unless every run was tested on all strata it was trained on.
        """
        if not all(set(run.train_weights) <= set(run.tests) for run in self.runs):
            return None
        found = [weighted_risk(run.tests, run.train_weights, None) for run in self.runs]
        risk, n = zip(*found, strict=True)
        return np.array(risk), np.array(n)


def pilots_of(runs: Sequence[Run], target: Target, *, base: str | None = None) -> Pilots:
    """The runs of one base, by default of that with most runs, with their risk on the target.

    Raises:
        InputError: No run has this base, a target stratum has no data, or there is no target.
    """
    bases = bases_of(runs)
    chosen = base or bases[0]
    require(chosen in bases, f"no run has the base {chosen!r}; there are {', '.join(bases)}.")
    means = _difficulty_of_weights(runs)

    def place(run: Run) -> tuple[float, int, int]:
        return means[_key(run)], run.budget, run.seed

    # in an order of their own, so that the bootstrap does not depend on that of the files
    of_base = sorted((run for run in runs if run.base == chosen), key=place)
    same = usable(of_base)
    difficulty = [means[_key(run)] for run in same]
    require(
        len(set(difficulty)) > 1,
        f"all runs of base {chosen!r} have difficulty {difficulty[0]:g}; a plan needs two "
        "difficulties or more.",
    )
    risk, n = zip(*(_on_target(run, target) for run in same), strict=True)
    mixed = [run for run in of_base if run not in same]
    on_target = [_on_target(run, target) for run in mixed]
    known = next((run.base_target for run in same if run.base_target is not None), None)
    strength = same[0].base_strength
    base_risk = known.mean if known else None
    if known is None and strength is not None and same[0].loss == "exact":
        base_risk = min(max(1 - strength, 1e-3), 1 - 1e-3)
    return Pilots(
        base=chosen,
        runs=tuple(same),
        difficulty=np.array(difficulty),
        target_risk=np.array(risk),
        n_target=np.array(n),
        base_risk=base_risk,
        n_base=known.n if known else None,
        mixed=tuple(mixed),
        mixed_risk=tuple(risk for risk, _ in on_target),
        mixed_n=tuple(n for _, n in on_target),
    )


def bases_of(runs: Iterable[Run]) -> list[str]:
    """The base models, that with most runs first."""
    return [base for base, _ in Counter(run.base for run in runs).most_common()]


def usable(runs: Sequence[Run]) -> list[Run]:
    """The runs on single strata if there are two such difficulties, else all.

    A mixture's risk is no function of its mean difficulty, as that of single strata is taken to be.
    """
    pure = [run for run in runs if max(run.train_weights.values()) > 1 - 1e-6]
    return pure if len({_key(run) for run in pure}) > 1 else list(runs)


def strata_of(runs: Sequence[Run], edges: Sequence[float] | None = None) -> tuple[StratumInfo, ...]:
    """The strata that runs were trained on alone, from easy to hard.

    Args:
        runs: The runs.
        edges: Between the strata, increasing; by default midway between their mean difficulties.

    Raises:
        InputError: The edges do not lie between the strata's mean difficulties, one each.
    """
    found: dict[str, float] = {}
    for key, difficulty in _difficulty_of_weights(runs).items():
        if len(key) == 1:
            found[key[0][0]] = difficulty
    names = sorted(found, key=lambda name: found[name])
    means = [found[name] for name in names]
    if edges is None:
        edges = [(a + b) / 2 for a, b in pairwise(means)]
    fits = len(edges) == max(len(means) - 1, 0) and all(
        a <= edge < b for edge, (a, b) in zip(edges, pairwise(means), strict=True)
    )
    require(
        fits,
        f"`strata_edges` must lie between the strata's mean difficulties {means}, one edge for "
        f"each two, got {list(edges)}.",
    )
    ends: list[float | None] = [None, *edges, None]
    return tuple(
        StratumInfo(name=name, difficulty=mean, low=low, high=high)
        for name, mean, low, high in zip(names, means, ends, ends[1:], strict=False)
    )


_Key = tuple[tuple[str, float], ...]


def _key(run: Run) -> _Key:
    return tuple(sorted((s, round(w, 6)) for s, w in run.train_weights.items() if w > 1e-6))


def _difficulty_of_weights(runs: Sequence[Run]) -> dict[_Key, float]:
    """Mean difficulty for each mixture of strata that was trained on."""
    values: dict[_Key, list[float]] = defaultdict(list)
    for run in runs:
        values[_key(run)].append(run.difficulty)
    return {key: math.fsum(found) / len(found) for key, found in values.items()}


def _on_target(run: Run, target: Target) -> tuple[float, float]:
    if not target.weights:
        if run.target is None:
            raise InputError(
                f"{describe(run)} has no measured `target`, and no target was given: give a file "
                "or weights of strata (--target, --target-weights)."
            )
        return run.target.mean, run.target.n
    return weighted_risk(run.tests, target.weights, target.n, describe(run))


def weighted_risk(
    tests: dict[str, Measured], weights: dict[str, float], n_weights: int | None, who: str = "a run"
) -> tuple[float, float]:
    """The risk of a mixture of strata, and the number of 0-1 losses whose mean is as uncertain.

    Args:
        tests: Held-out risk by stratum.
        weights: Share of each stratum.
        n_weights: Units that the weights were counted on, None if they are exact.
        who: The run, for the message.

    Raises:
        InputError: A stratum of the mixture was not tested.
    """
    needed = {stratum: weight for stratum, weight in weights.items() if weight > 0}
    for stratum in needed:
        require(
            stratum in tests,
            f"target stratum {stratum!r} without data: {who} was not tested on it; its `tests` "
            f"are on {', '.join(map(repr, sorted(tests))) or 'nothing'}.",
        )
    w = np.array(list(needed.values()))
    n = np.array([tests[stratum].n for stratum in needed], dtype=np.float64)
    mean = np.array([tests[stratum].mean for stratum in needed])
    # half an error each way keeps the variance of a perfect score above 0
    smooth = (mean * n + 0.5) / (n + 1)
    middle = float(w @ smooth)
    variance = float(np.sum(w**2 * smooth * (1 - smooth) / n))
    if n_weights is not None:
        variance += max(0.0, float(w @ smooth**2) - middle**2) / n_weights
    return min(1.0, float(w @ mean)), max(1.0, middle * (1 - middle) / variance)


def describe(run: Run) -> str:
    """A run in words."""
    return f"the run of difficulty {run.difficulty:g}, budget {run.budget}, seed {run.seed}"
