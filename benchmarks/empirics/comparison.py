"""Everything that is compared of one study, and of all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from benchmarks.empirics.bounds import Ranks, Violations, ranks_of, violations_of
from benchmarks.empirics.choices import Choices, choose, pilot_budgets
from benchmarks.empirics.excess import Best, Excess, best_of, excesses
from benchmarks.empirics.grid import Grid, grid_of
from benchmarks.empirics.mechanism import Mechanism, mechanism_of
from benchmarks.empirics.movement import Movement, movement_of
from benchmarks.empirics.observations import (
    OPEN,
    Observation,
    dropping,
    easy_at_any_budget,
    hard_and_small,
    inverted_u,
    optimum_moves_harder,
    stronger_base_moves_harder,
)
from benchmarks.empirics.studies import Study
from pacbayes.planning.planner import PlanSettings


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One base model in one study.

    Attributes:
        study: Its runs.
        grid: The same as arrays.
        pilots: The pilots' budgets.
        chosen: What each way chooses from pilots.
        best: The empirically best difficulties.
        excesses: What each way costs.
        ranks: Rank correlations with the true target risk.
        mechanism: KL and gap.
        movement: Of the best difficulty.
        violations: Its certificates against measured risks.
        observations: The first four.
    """

    study: Study
    grid: Grid
    pilots: tuple[int, ...]
    chosen: Choices
    best: Best
    excesses: tuple[Excess, ...]
    ranks: Ranks
    mechanism: Mechanism
    movement: Movement
    violations: Violations
    observations: tuple[Observation, ...]

    @property
    def by_way(self) -> dict[str, Excess]:
        """Excesses by the name of the way."""
        return {each.way: each for each in self.excesses}


@dataclass(frozen=True, kw_only=True)
class Report:
    """All studies.

    Attributes:
        comparisons: Of each base in each study.
        stronger_base: The fifth observation, by study.
        violations: Of all certificates.
    """

    comparisons: tuple[Comparison, ...]
    stronger_base: dict[str, Observation]
    violations: Violations


def compare(study: Study, n_fits: int = PlanSettings.n_fits) -> Comparison:
    """Compare theory and experience in one study.

    Args:
        study: The study.
        n_fits: Bootstrap fits of each plan; the default is that of `pacbayes plan`.

    Raises:
        InputError: The runs make no grid, see `grid_of`.
    """
    grid = grid_of(study)
    early = pilot_budgets(grid)
    chosen = choose(study, grid, early, n_fits)
    seeds = grid.seeds if len(grid.seeds) > 1 else ()
    without = {seed: choose(study, grid, early, n_fits, without=seed) for seed in seeds}
    movement = movement_of(study, grid, chosen, early, n_fits)
    return Comparison(
        study=study,
        grid=grid,
        pilots=early,
        chosen=chosen,
        best=best_of(grid),
        excesses=excesses(grid, chosen, without, early),
        ranks=ranks_of(study, grid, chosen, early),
        mechanism=mechanism_of(study, grid),
        movement=movement,
        violations=violations_of([study]),
        observations=tuple(
            _told(found, grid)
            for found in (
                inverted_u(grid),
                optimum_moves_harder(movement),
                dropping(grid, "hardest"),
                dropping(grid, "easiest"),
                hard_and_small(study, grid),
                easy_at_any_budget(study, grid),
            )
        ),
    )


def _told(found: Observation, *grids: Grid) -> Observation:
    """The observation; open if there is one seed, as nothing tells what others would give."""
    one = any(len(grid.seeds) == 1 for grid in grids)
    return replace(found, verdict=OPEN) if one else found


def report_on(studies: Sequence[Study], n_fits: int = PlanSettings.n_fits) -> Report:
    """Compare every study, and the bases of each with one another."""
    comparisons = tuple(compare(study, n_fits) for study in studies)
    stronger = {}
    for subject, group in groupby(comparisons, key=lambda each: each.study.subject):
        # in a study's file the base that was pretrained on less comes first; its accuracy on the
        # target is no order, as what neither base knows is guessed by chance
        ordered = list(group)
        if len(ordered) > 1:
            weak, strong = ordered[0].grid, ordered[-1].grid
            stronger[subject] = _told(stronger_base_moves_harder(weak, strong), weak, strong)
    return Report(
        comparisons=comparisons, stronger_base=stronger, violations=violations_of(studies)
    )
