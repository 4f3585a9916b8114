"""`pacbayes sweep`: fine-tunes over strata × budgets × seeds, each certified, for a plan."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pacbayes.cli import sweep_options as options
from pacbayes.cli.config import apply_config
from pacbayes.cli.echo import echo
from pacbayes.cli.exit_codes import CELL_FAILED
from pacbayes.cli.out import check_out
from pacbayes.errors import InputError

if TYPE_CHECKING:
    from pacbayes.sweep.cell import Study
    from pacbayes.sweep.cells import Cell
    from pacbayes.sweep.run import Outcome
    from pacbayes.sweep.study import SetUp
    from pacbayes.sweep.workers import Engine


def _config(context: typer.Context, value: Path | None) -> Path | None:
    return apply_config(context, value)


def sweep(
    base: Annotated[Path, typer.Option(help="Folder of the base model.")],
    pool: Annotated[Path, typer.Option(help="JSONL with a `difficulty`, to choose from.")],
    budgets: Annotated[str, typer.Option(help="Independent units to train on, e.g. 500,1000.")],
    out: Annotated[Path, typer.Option(help="Folder of the sweep; `pacbayes plan` reads it.")],
    windows: Annotated[
        str | None,
        typer.Option(help="Strata of difficulty, both ends included, e.g. 3:4,5:7,8:10."),
    ] = None,
    strata_edges: Annotated[
        str | None, typer.Option(help="Difficulties at which strata meet instead, e.g. 4,7.")
    ] = None,
    strata_levels: Annotated[
        str | None,
        typer.Option(metavar="FIELD", help="A field whose values are the strata instead."),
    ] = None,
    mix: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME:STRATUM=SHARE,...",
            help="A mixture of strata that cells are trained on too, e.g. both:3..4=.5,5..7=.5; "
            "repeatable, and may be added to a sweep later.",
        ),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="Make the cells of this stratum or mixture alone; repeatable."
        ),
    ] = None,
    seeds: Annotated[str, typer.Option(help="Seeds, e.g. 0,1,2.")] = "0",
    test: Annotated[
        list[Path] | None,
        typer.Option(help="Held-out JSONL, cut into the same strata; repeatable."),
    ] = None,
    held_out_share: Annotated[
        float,
        typer.Option(help="Without --test: share of the pool's units, by hash, kept for tests."),
    ] = 0.1,
    target: Annotated[
        Path | None, typer.Option(help="JSONL of the target, answers included.")
    ] = None,
    method: Annotated[str, typer.Option(help="lora, or full for all weights.")] = "lora",
    objective: Annotated[
        str,
        typer.Option(help="plain likelihood; or bound: under noise that is learned, plus KL/n."),
    ] = "plain",
    epochs: Annotated[float, typer.Option(help="Passes over a cell's records.")] = 3.0,
    steps: Annotated[
        int | None, typer.Option(help="Gradient steps of every cell instead, whatever its budget.")
    ] = None,
    learning_rate: Annotated[float, typer.Option(help="Of AdamW.")] = 1e-3,
    train_batch_size: Annotated[int, typer.Option(help="Records in a gradient step.")] = 32,
    kl_weight: Annotated[float, typer.Option(help="Weight of KL/n in --objective bound.")] = 1.0,
    lora_rank: Annotated[int, typer.Option(help="Rank of the adapter.")] = 8,
    lora_alpha: Annotated[int, typer.Option(help="Adapter's scale, over its rank.")] = 16,
    lora_targets: Annotated[
        str, typer.Option(help="Layers with an adapter, e.g. q_proj,v_proj.")
    ] = "all-linear",
    family: Annotated[
        str, typer.Option(help="Posteriors that are searched: isotropic or per-tensor.")
    ] = "per-tensor",
    loss: Annotated[str, typer.Option(help="exact, token or nll: certified and tested.")] = "exact",
    delta: Annotated[float, typer.Option(help="Failure probability of each certificate.")] = 0.05,
    passes: Annotated[int, typer.Option(help="Passes of posterior draws in a certificate.")] = 1,
    batch_size: Annotated[int, typer.Option(help="Records in a pass of certifying.")] = 64,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    workers: Annotated[
        int | None,
        typer.Option(
            help="Cells at a time, each in a process of its own if above 1. [default: 1; with "
            "--ray as many as it has room for]"
        ),
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Make the cells on Ray, one a task: local starts one on this machine, auto finds "
            "a running one, or where it is. All machines must have this package, and --out and "
            "the inputs under the same paths (a shared file system).",
        ),
    ] = None,
    gpus_per_cell: Annotated[
        float | None,
        typer.Option(
            help="With --ray: share of a GPU for a cell, or how many. [default: 1 with --device "
            "cuda, else 0]"
        ),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(help="Go on with the sweep in --out; --no-resume refuses an --out with one."),
    ] = True,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what it would cost, and write nothing.")
    ] = False,
    config: Annotated[
        Path | None,
        typer.Option(callback=_config, is_eager=True, help="TOML file with any of these options."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the outcome to stdout as JSON, nothing else.")
    ] = False,
) -> None:
    """Fine-tune, certify and test on strata × budgets × seeds; a cell that is there is kept.

    Example: pacbayes sweep --base base --pool pool.jsonl --windows 3:4,5:7,8:10
    --budgets 500,1000 --seeds 0,1 --target target.jsonl --out sweep
    """
    check_out(out)
    if not resume and (out / "sweep.json").exists():
        raise InputError("holds a sweep already; give another --out.", path=out)
    if workers is not None and workers < 1:
        raise InputError(f"--workers must be at least 1, got {workers}.")
    if gpus_per_cell is not None and ray is None:
        raise InputError("--gpus-per-cell is what a cell takes of a Ray cluster; give --ray.")
    grid = (options.numbers("budgets", budgets, int), options.numbers("seeds", seeds, int))
    options.one_rule(windows=windows, strata_edges=strata_edges, strata_levels=strata_levels)
    from pacbayes.cli.bound import prepare

    # with Ray, the device is that of other machines
    prepare(device if ray is None or dry_run else "cpu")
    from pacbayes.files import claimed
    from pacbayes.sweep.cells import cells_of
    from pacbayes.sweep.recipe import Recipe
    from pacbayes.sweep.study import Inputs, require_enough, set_up

    inputs = Inputs(
        base=base,
        pool=pool,
        rules=options.rules(windows, strata_edges),
        strata_levels=strata_levels,
        mixtures=options.mixtures(mix or []),
        test=tuple(test or ()),
        held_out_share=held_out_share,
        target=target,
        recipe=Recipe(
            method=method,
            objective=objective,
            epochs=epochs,
            steps=steps,
            learning_rate=learning_rate,
            train_batch_size=train_batch_size,
            kl_weight=kl_weight,
            lora_rank=lora_rank,
            lora_alpha=lora_alpha,
            lora_targets=tuple(lora_targets.split(",")),
            family=family,
            loss=loss,
            delta=delta,
            passes=passes,
            batch_size=batch_size,
            device=device,
        ),
    )
    ready = set_up(inputs, out)
    names = options.wanted([*ready.study.rules, *ready.study.mixtures], only)
    cells = cells_of(names, *grid)
    require_enough(ready.study, cells)
    if dry_run:
        _show_price(ready, cells, out, as_json=as_json)
        return
    with claimed(out), _engine(ray, gpus_per_cell, device) as engine:
        ready.write()
        at_a_time = workers or (1 if engine is None else len(cells))
        _make(ready.study, cells, out, at_a_time, engine, as_json=as_json)


@contextmanager
def _engine(ray: str | None, gpus_per_cell: float | None, device: str) -> Iterator[Engine | None]:
    if ray is None:
        yield None
        return
    from pacbayes.sweep.on_ray import connected

    if gpus_per_cell is None:
        gpus_per_cell = 0.0 if device == "cpu" else 1.0
    with connected(ray, gpus_per_cell=gpus_per_cell) as engine:
        yield engine


def _show_price(ready: SetUp, cells: Sequence[Cell], out: Path, *, as_json: bool) -> None:
    from pacbayes.runs.reading import RUN_FILE
    from pacbayes.sweep.price import price

    wanted = [cell for cell in cells if not (out / cell.name / RUN_FILE).is_file()]
    found = price(ready.study, wanted, ready.n_tests)
    if as_json:
        echo(json.dumps(asdict(found)))
        return
    kept = len(cells) - len(wanted)
    echo(f"cells         {found.cells} to make, {kept} finished")
    echo(f"training      {found.steps} steps, {found.examples_trained} examples")
    echo(f"certification {found.examples_scored} examples, tests included")
    echo(f"time          about {found.seconds:.0f} s on {ready.study.recipe.device} (forecast)")


def _make(
    study: Study,
    cells: Sequence[Cell],
    out: Path,
    workers: int,
    engine: Engine | None,
    *,
    as_json: bool,
) -> None:
    from pacbayes.cli.progress import progress
    from pacbayes.sweep.run import sweep as make

    with progress(shown=not as_json) as track:
        found = make(
            study,
            cells,
            out,
            workers=workers,
            engine=engine,
            track=track,
            tell=lambda line: echo(line, err=True),
        )
    if as_json:
        runs = {name: run.to_dict() for name, run in found.runs.items()}
        echo(json.dumps({"runs": runs, "failed": found.failed}))
    else:
        _summary(found, out)
    if found.failed:
        raise typer.Exit(CELL_FAILED)


def _summary(found: Outcome, out: Path) -> None:
    echo(f"{len(found.runs)} cells finished, {len(found.failed)} failed: {out}")
    if found.runs:
        echo(f"one page of them all: pacbayes report {out}")
    for name, error in found.failed.items():
        echo(f"failed: {name}, {error} ({out / name / 'failed.json'})")
