"""`pacbayes plan`: how hard the training data should be, from finished runs."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pacbayes.cli.config import apply_config
from pacbayes.cli.echo import echo
from pacbayes.cli.out import check_out
from pacbayes.errors import InputError
from pacbayes.files import replace_file

if TYPE_CHECKING:
    from pacbayes.plan import Plan, Target
    from pacbayes.planning.planner import PlanSettings
    from pacbayes.runs import RunSet


def _config(context: typer.Context, value: Path | None) -> Path | None:
    return apply_config(context, value)


def plan(
    runs: Annotated[
        Path,
        typer.Argument(
            help="Folder with run.json at any depth, each beside its certificate.json, or a "
            "runs.jsonl."
        ),
    ],
    target: Annotated[
        Path | None,
        typer.Option(
            help="JSONL of the target, no labels needed: its `stratum` or `difficulty` fields are "
            "counted."
        ),
    ] = None,
    target_weights: Annotated[
        str | None,
        typer.Option(
            metavar="NAME=SHARE,...",
            help="Shares of the strata in the target instead, e.g. easy=.2,hard=.8. Without "
            "either, each run's own `target` measurement.",
        ),
    ] = None,
    budgets: Annotated[
        str | None,
        typer.Option(help="Budgets to plan for, e.g. 1000,2000,4000. [default: those of the runs]"),
    ] = None,
    base_model: Annotated[
        str | None,
        typer.Option(help="Base model to plan for. [default: that with most runs]"),
    ] = None,
    strata_edges: Annotated[
        str | None,
        typer.Option(
            help="Difficulties at which strata meet, e.g. 4.5,7.5. [default: midway between their "
            "mean difficulties]"
        ),
    ] = None,
    shared_strata: Annotated[
        bool,
        typer.Option(
            "--shared-strata",
            help="Declare that target examples of a stratum are distributed as the training "
            "examples of it: gaps are then certificates, else estimates.",
        ),
    ] = False,
    bootstrap: Annotated[int, typer.Option(help="Number of bootstrap fits.")] = 1000,
    level: Annotated[
        float, typer.Option(help="Level of the intervals that are no certificates.")
    ] = 0.9,
    grid: Annotated[
        int, typer.Option(help="Difficulties to search, beside those of the runs.")
    ] = 21,
    seed: Annotated[int, typer.Option(help="Seed of the bootstrap.")] = 0,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for plan.json and figures; runs/plan by default."),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(callback=_config, is_eager=True, help="TOML file with any of these options."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the plan to stdout, and nothing else.")
    ] = False,
) -> None:
    """Plan the difficulty, or mixture, of training data for each budget from finished runs.

    Example: pacbayes plan pilots --target-weights easy=.2,hard=.8 --budgets 1000,4000,16000
    """
    from pacbayes.planning.planner import PlanSettings
    from pacbayes.planning.planner import plan as make_plan
    from pacbayes.runs import read_runs

    out = out or Path("runs") / "plan"
    check_out(out)
    settings = PlanSettings(
        budgets=_numbers("budgets", budgets, int) or (),
        n_fits=bootstrap,
        seed=seed,
        level=level,
        grid=grid,
        base=base_model,
        shared_strata=shared_strata,
        strata_edges=_numbers("strata-edges", strata_edges, float),
    )
    found = read_runs(runs)
    made = make_plan(found, _target(target, target_weights, found, settings), settings)
    written = _write(made, out)
    if as_json:
        echo(made.to_json(), nl=False)
        return
    from pacbayes.report.plan_table import show_plan

    show_plan(made)
    echo(
        f"Written: {written[0]}, {written[1]} and {len(written) - 2} figures in {written[2].parent}"
    )


def _numbers(name: str, text: str | None, kind: Callable[[str], Any]) -> tuple[Any, ...] | None:
    if text is None:
        return None
    try:
        numbers = tuple(kind(part) for part in text.split(","))
    except ValueError:
        whole = "whole numbers" if kind is int else "numbers"
        raise InputError(
            f"--{name} must be {whole} with commas between them, got {text!r}."
        ) from None
    if not all(map(math.isfinite, numbers)):
        raise InputError(f"--{name} must be finite, got {text!r}.")
    return numbers


def _target(path: Path | None, weights: str | None, runs: RunSet, settings: PlanSettings) -> Target:
    from pacbayes.planning.pilots import strata_of
    from pacbayes.planning.target import MEASURED, parse_target_weights, read_target

    if path is not None and weights is not None:
        raise InputError("--target and --target-weights both give the target; give one of them.")
    if path is not None:
        return read_target(path, strata_of(runs.runs, settings.strata_edges))
    return MEASURED if weights is None else parse_target_weights(weights)


def _write(plan: Plan, out: Path) -> list[Path]:
    """The plan, page and figures: all are made before the first is written, the plan last."""
    from pacbayes.report.documents import Found
    from pacbayes.report.page import page
    from pacbayes.report.plan_figures import save_plan_figures

    shown = page([Found(path=out / "plan.json", document=plan)])
    try:
        figures = save_plan_figures(plan, out / "figures")
        replace_file(out / "report.html", shown)
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror}.", path=out) from error
    plan.write(out / "plan.json")
    return [out / "plan.json", out / "report.html", *figures]
