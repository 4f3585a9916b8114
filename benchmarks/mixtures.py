"""How much worse than the best single stratum a recommended mixture is, in worlds with the truth.

    python -m benchmarks.mixtures [--worlds 24] [--first 0] [--seeds 2] [--fits 100] [--by-stratum]

Prints JSON: for each family of worlds and each multiple of the largest pilot budget the mean and
the worst relative excess of the true target risk,

- of `single`, the stratum that the fits say is best, and of `mixture`, what is recommended,
  over the truly best single stratum: both carry the error of choosing by noisy pilots;
- `over_single`: of `mixture` over `single`: what advising to mix adds;
- `checked` and `checked_over_single`: the same as `mixture` and `over_single` where nine more pilot
  runs on mixtures choose the rule of mixing;
- `cautious_searched_over_single` and `bold_searched_over_single`: what taking a rule at its word,
  unchecked and with no regard to noise, would add;
- `mixes`, `checked_mixes`, `bold`, `trusted`: how often a mixture is recommended, and what the
  check said.

Runs on single strata cannot tell how strata add up, and the worlds differ in just that: in the
parametric ones asymptotes and rates average, in the perceptron ones mixing seldom helps.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.perceptron.worlds import PERCEPTRONS
from benchmarks.worlds import MISSPECIFIED, Pilots, World, parametric_worlds
from pacbayes.learning_curves import Curves, fit_learning_curves, fit_transfer_surface
from pacbayes.planning.mixtures import UNCHECKED, check_mixing, recommend_mixture

MULTIPLES = (1, 4, 16)

PROBES = np.array([[0.2, 0.2, 0.2, 0.2, 0.2], [0.5, 0.0, 0.0, 0.0, 0.5], [0.0, 0.5, 0.0, 0.5, 0.0]])
"""Mixtures of the pilot runs that check the rules."""


def worlds(number: int, first: int) -> Iterator[tuple[str, World]]:
    """That many parametric worlds, a quarter as many of each misspecified family, perceptrons."""
    for world in parametric_worlds(number, first):
        yield "parametric", world
    for family, make in MISSPECIFIED.items():
        for i in range(first, first + number // 4):
            yield f"misspecified: {family}", make(i)
    for name, maker in PERCEPTRONS.items():
        if name != "logistic":  # minutes
            yield f"perceptron: {name}", maker()


def fitted(pilots: Pilots, n_fits: int, by_stratum: bool) -> tuple[list[Curves], np.ndarray, float]:
    """Curves for each test stratum or for the target, its weights, and ρ."""
    if by_stratum:
        surface = fit_transfer_surface(
            difficulty=pilots.difficulty,
            budget=pilots.budget,
            risks=pilots.stratum_risk,
            n_tests=pilots.n_test,
            base_risks=pilots.base_stratum_risk.tolist(),
            n_base=pilots.n_test.tolist(),
            n_fits=n_fits,
        )
        rho = float(np.mean([s.seed_correlation for s in surface.strata]))
        return [s.fits for s in surface.strata], pilots.target_weights, rho
    n_test = units(pilots)
    curves = fit_learning_curves(
        difficulty=pilots.difficulty,
        budget=pilots.budget,
        risk=pilots.target_risk,
        n_test=n_test,
        base_risk=pilots.base_target_risk,
        n_base=int(n_test),
        n_fits=n_fits,
    )
    return [curves.fits], np.ones(1), curves.seed_correlation


def units(pilots: Pilots) -> float:
    """Units whose mean would vary as much as the target's weighted one, roughly."""
    return float(1 / np.sum(pilots.target_weights**2 / pilots.n_test))


def mixture_runs(world: World, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Measured target risks of runs on `PROBES` at the pilot budgets, with scatter from seeds."""
    rows = np.repeat(PROBES, len(world.pilot_budgets), axis=0)
    budget = np.tile(np.array(world.pilot_budgets, float), len(PROBES))
    risk = np.array([world.mixture_stratum_risk(a, n) for a, n in zip(rows, budget, strict=True)])
    risk = np.minimum(risk * np.exp(0.03 * rng.standard_normal((len(rows), 1))), 1.0)
    measured = rng.binomial(world.n_test, risk) / world.n_test
    n_test = 1 / np.sum(world.target_weights**2 / world.n_test)
    return {
        "train_weights": rows,
        "budget": budget,
        "risk": measured @ world.target_weights,
        "n_test": n_test,
    }


def excesses(
    world: World, seed: int, n_fits: int, by_stratum: bool
) -> Iterator[tuple[int, dict[str, float]]]:
    """For each multiple, what the choices of one set of pilots cost."""
    rng = np.random.default_rng([11, seed])
    pilots = world.pilots(rng)
    curves, target, rho = fitted(pilots, n_fits, by_stratum)
    check = check_mixing(
        curves=curves,
        target_weights=target,
        **mixture_runs(world, rng),
        # what the runs scatter by, if the fits of the others saw less
        seed_correlation=max(rho, 1e-3),
    )
    names = [f"{d:g}" for d in world.strata]
    for multiple in MULTIPLES:
        n = float(multiple * world.pilot_budgets[-1])
        given = {"curves": curves, "target_weights": target, "strata": names, "budget": n}
        plain = recommend_mixture(**given)
        checked = recommend_mixture(**given, check=check)
        bold = recommend_mixture(**given, check=replace(UNCHECKED, rule="averaged_curves"))

        def true(weights: dict[str, float], n: float = n) -> float:
            return float(world.mixture_risk(list(weights.values()), n))

        pure = [true(dict(zip(names, row, strict=True))) for row in np.eye(len(names)).tolist()]
        best, single = min(pure), pure[names.index(plain.best_single_stratum)]
        yield (
            multiple,
            {
                "single": single / best - 1,
                "mixture": true(plain.weights) / best - 1,
                "over_single": true(plain.weights) / single - 1,
                "checked": true(checked.weights) / best - 1,
                "checked_over_single": true(checked.weights) / single - 1,
                "bold_searched_over_single": true(bold.searched_weights) / single - 1,
                "cautious_searched_over_single": true(plain.searched_weights) / single - 1,
                "mixes": float(max(plain.weights.values()) < 1),
                "checked_mixes": float(max(checked.weights.values()) < 1),
                "bold": float(check.rule == "averaged_curves"),
                "trusted": float(check.trusted),
            },
        )


def main() -> None:
    """Print, and write if asked, the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--worlds", type=int, default=24)
    parser.add_argument("--first", type=int, default=0, help="number of the first world and seed")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--fits", type=int, default=100)
    parser.add_argument("--by-stratum", action="store_true")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    rows: dict[tuple[str, int], list[dict[str, float]]] = defaultdict(list)
    for family, world in worlds(args.worlds, args.first):
        for seed in range(args.first, args.first + args.seeds):
            for multiple, found in excesses(world, seed, args.fits, args.by_stratum):
                rows[family, multiple].append(found)
                rows["all", multiple].append(found)
    table = [
        {
            "family": family,
            "multiple": multiple,
            "pilots": len(found),
            "mean": {key: round(float(np.mean([r[key] for r in found])), 4) for key in found[0]},
            "worst": {key: round(max(r[key] for r in found), 4) for key in found[0]},
        }
        for (family, multiple), found in sorted(rows.items())
    ]
    settings = {key: str(v) if isinstance(v, Path) else v for key, v in vars(args).items()}
    text = json.dumps({"settings": settings, "rows": table}, indent=1)
    print(text)
    if args.out:
        args.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
