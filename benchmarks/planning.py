"""How much worse than the best difficulty the planners' choices are, in worlds with a known answer.

Run ``python -m benchmarks.planning`` in the root of the repository; ``--help`` lists what can be
chosen. A set of pilots takes about a second on one core. Worlds are those of `benchmarks.worlds`
(``--worlds`` of the family of the planner's curves and of each family that departs from it) and of
`benchmarks.perceptron`, with ``--seeds`` sets of pilots each. Plans are judged by the exact target
risk at 1, 2, 4, 8 and 16 times the largest pilot budget. The table has, by family of worlds,

- ``excess``: mean over worlds, pilots and budgets of the chosen difficulty's target risk over the
  least one, minus 1, with the standard error of the mean over worlds; ``at 16`` at 16 times alone;
- ``mixture``: the same of the train weights against the best single stratum: below 0 is better;
- ``coverage``: how often the best difficulty is in the 90 % set; ``size``: its mean share of all;
- ``warned``: how often the planner warned that its curves do not hold.

The JSON of ``--out`` has one entry for each planner and set of pilots, and the table.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from benchmarks.perceptron.worlds import PERCEPTRONS
from benchmarks.planners import PLANNERS, Plan, Planner
from benchmarks.world import MULTIPLES, World
from benchmarks.worlds import MISSPECIFIED, parametric_world

Array = NDArray[np.float64]
Row = Mapping[str, object]


@dataclass(frozen=True, kw_only=True)
class Score:
    """How one plan did.

    Attributes:
        planner: Its name.
        world: Its name.
        family: Of worlds.
        kind: See `World`.
        seed: Of the pilots.
        difficulty: What was chosen at each budget.
        best: What is best there.
        excess: Target risk over the least one, minus 1, at each budget.
        mixture: The same of the train weights and the best single stratum.
        covered: Whether the best difficulty is in the set.
        size: Share of the difficulties in the set.
        warned: Whether there was a warning.
    """

    planner: str
    world: str
    family: str
    kind: str
    seed: int
    difficulty: list[float] | None
    best: list[float]
    excess: list[float] | None
    mixture: list[float] | None
    covered: list[bool] | None
    size: list[float] | None
    warned: bool | None


class Judge:
    """A world's truth at the budgets that plans are judged at, computed once."""

    def __init__(self, family: str, world: World) -> None:
        self.family, self.world, self.budgets = family, world, world.budgets()
        self.risks = world.target_risk(world.grid, self.budgets[:, None])
        self.best = self.risks.argmin(axis=1)
        self.stratum = world.target_risk(world.strata, self.budgets[:, None]).min(axis=1)

    def score(
        self,
        name: str,
        planner: Planner,
        seed: int,
        n_test: int | None = None,
        n_seeds: int | None = None,
    ) -> Score:
        """Give a planner pilots and judge its plan."""
        rng = np.random.default_rng([17, seed])
        pilots = self.world.pilots(rng, n_test=n_test, n_seeds=n_seeds)
        plan = planner(pilots, self.budgets, self.world.grid, seed)
        inside = plan.may_be_best
        return Score(
            planner=name,
            world=self.world.name,
            family=self.family,
            kind=self.world.kind,
            seed=seed,
            difficulty=None if plan.difficulty is None else plan.difficulty.tolist(),
            best=self.world.grid[self.best].tolist(),
            excess=self._excess(plan),
            mixture=self._mixture(plan),
            covered=None if inside is None else inside[self._rows, self.best].tolist(),
            size=None if inside is None else inside.mean(axis=1).tolist(),
            warned=plan.warning,
        )

    @property
    def _rows(self) -> NDArray[np.intp]:
        return np.arange(len(self.budgets))

    def _excess(self, plan: Plan) -> list[float] | None:
        if plan.difficulty is None:
            return None
        chosen = self.world.target_risk(plan.difficulty, self.budgets)
        return (chosen / self.risks[self._rows, self.best] - 1).tolist()

    def _mixture(self, plan: Plan) -> list[float] | None:
        if plan.train_weights is None:
            return None
        risk = self.world.mixture_risk(plan.train_weights, self.budgets)
        return (risk / self.stratum - 1).tolist()


FAMILIES: Mapping[str, Callable[[int], World]] = MappingProxyType(
    {"parametric": parametric_world, **MISSPECIFIED}
)
"""Of worlds with random parameters, each from a number."""


def judges(families: Iterable[str], numbers: Sequence[int]) -> Iterator[Judge]:
    """The worlds: of each family by these numbers, and all perceptrons for "perceptron"."""
    for family in families:
        if family in FAMILIES:
            yield from (Judge(family, FAMILIES[family](number)) for number in numbers)
        else:
            for world in (make() for make in PERCEPTRONS.values()):
                yield Judge(family if world.kind == "regular" else world.name, world)


def table(scores: Sequence[Score]) -> list[Row]:
    """Means by family of worlds and planner, in order of appearance."""
    rows: list[Row] = []
    for family in dict.fromkeys(score.family for score in scores):
        for planner in dict.fromkeys(score.planner for score in scores):
            cell = [s for s in scores if s.family == family and s.planner == planner]
            if cell:
                rows.append(
                    {"family": family, "kind": cell[0].kind, "planner": planner, **_means(cell)}
                )
    return rows


def _means(cell: Sequence[Score]) -> Row:
    excess = [s.excess for s in cell if s.excess is not None]
    by_world = [
        np.mean([s.excess for s in cell if s.world == world])
        for world in dict.fromkeys(s.world for s in cell)
        if excess
    ]
    return {
        "worlds": len({s.world for s in cell}),
        "pilots": len(cell),
        "excess": _mean(by_world),
        "error": _standard_error(by_world),
        "by_budget": {
            str(multiple): _mean(e[i] for e in excess) for i, multiple in enumerate(MULTIPLES)
        },
        "mixture": _mean(s.mixture for s in cell if s.mixture is not None),
        "coverage": _mean(s.covered for s in cell if s.covered is not None),
        "size": _mean(s.size for s in cell if s.size is not None),
        "warned": _mean(s.warned for s in cell if s.warned is not None),
    }


def _standard_error(values: Sequence[float]) -> float | None:
    return float(np.std(values, ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else None


def _mean(values: Iterable[object]) -> float | None:
    values = list(values)
    return float(np.mean(values)) if values else None


HEAD = ("family", "planner", "excess", "error", "at 16", "mixture", "coverage", "size", "warned")


def lines(rows: Iterable[Row]) -> Iterator[str]:
    """The table as text."""
    form = "{:16} {:16}" + " {:>9}" * (len(HEAD) - 2)
    yield form.format(*HEAD)
    for row in rows:
        shown = {**row, "at 16": row["by_budget"]["16"]}
        yield form.format(*(_shown(shown[name]) for name in HEAD))


def _shown(value: object) -> str:
    return "" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)


def main() -> None:
    """Prints the table."""
    every = [*FAMILIES, "perceptron"]
    parser = argparse.ArgumentParser(description="Planners in worlds with a known answer.")
    parser.add_argument("--worlds", type=int, default=20, help="of each random family")
    parser.add_argument("--first", type=int, default=0, help="number of the first of them")
    parser.add_argument("--n-test", type=int, help="tests of each stratum; 1000 by default")
    parser.add_argument("--runs", type=int, help="of each difficulty and budget; 3 by default")
    parser.add_argument("--seeds", type=int, default=2, help="sets of pilots of each world")
    parser.add_argument("--first-seed", type=int, default=0, help="number of the first set")
    parser.add_argument("--family", nargs="+", choices=every, default=every)
    parser.add_argument("--planner", nargs="+", choices=list(PLANNERS), default=list(PLANNERS))
    parser.add_argument("--out", type=Path, help="JSON file to write")
    arguments = parser.parse_args()
    numbers = range(arguments.first, arguments.first + arguments.worlds)
    scores = []
    for judge in judges(arguments.family, numbers):
        print(judge.world.name, file=sys.stderr)
        scores += [
            judge.score(name, PLANNERS[name], seed, arguments.n_test, arguments.runs)
            for seed in range(arguments.first_seed, arguments.first_seed + arguments.seeds)
            for name in arguments.planner
        ]
    rows = table(scores)
    print("\n".join(lines(rows)))
    if arguments.out:
        found = {"table": rows, "scores": [asdict(score) for score in scores]}
        arguments.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
