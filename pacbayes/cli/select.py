"""`pacbayes select`: the examples to train on, chosen from a pool."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pacbayes.cli.echo import echo
from pacbayes.cli.weights import parse_weights
from pacbayes.errors import InputError

if TYPE_CHECKING:
    from pacbayes.planning.rules import Rule
    from pacbayes.planning.selection_report import Distribution, SelectionReport

_BY = ("mixture", "difficulty")


def select(
    pool: Annotated[Path, typer.Option(help="JSONL to choose from.")],
    budget: Annotated[int, typer.Option(help="Independent units to choose; a group counts once.")],
    out: Annotated[Path, typer.Option(help="JSONL to write; the report is OUT.report.json.")],
    window: Annotated[
        tuple[float, float] | None,
        typer.Option(metavar="LO HI", help="Units with a difficulty from LO to HI."),
    ] = None,
    difficulty: Annotated[
        float | None, typer.Option(help="The units nearest to this difficulty.")
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(
            metavar="NAME=SHARE,...",
            help="A mixture of strata, e.g. easy=.5,hard=.5: those of the field `stratum`, or of "
            "--levels, or of --edges.",
        ),
    ] = None,
    edges: Annotated[
        str | None,
        typer.Option(
            help="Difficulties between the strata of --weights, which are named from the easiest "
            "up, e.g. 4,7."
        ),
    ] = None,
    levels: Annotated[
        str | None,
        typer.Option(metavar="FIELD", help="Field whose values are the strata of the mixture."),
    ] = None,
    plan: Annotated[
        Path | None, typer.Option(help="plan.json; its advice for this budget is followed.")
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(
            help="What of the plan: mixture, or difficulty (the units nearest to the optimal "
            "one). [default: the mixture if it has one]"
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the choice and of the order.")] = 0,
    allow_short: Annotated[
        bool, typer.Option("--allow-short", help="Write what there is if the pool has too few.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace --out if it exists.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the report to stdout, and nothing else.")
    ] = False,
) -> None:
    """Write the part of a pool to train on, its records as they are and in random order.

    Example: pacbayes select --pool pool.jsonl --plan plan.json --budget 8000 --out train.jsonl
    """
    _check(budget=budget, seed=seed, by=by, plan=plan)
    _check_strata(weights=weights, plan=plan, edges=edges, levels=levels)
    _one_of(window=window, difficulty=difficulty, weights=weights, plan=plan)
    from pacbayes.cli.progress import progress
    from pacbayes.data.pool import read_pool
    from pacbayes.data.scoring import report_path
    from pacbayes.planning.subset import check_out, note_plan, write_subset

    check_out(out, pool, overwrite=overwrite)
    if plan is None:
        rule = _rule(window, difficulty, weights, edges, levels)
    else:
        from pacbayes.planning.recommendation import read_recommendation

        rule = read_recommendation(plan, budget).rule(by=by, stratum_field=levels)
    with progress(shown=not as_json) as track:
        found = read_pool(
            pool,
            stratum_field=rule.stratum_field,
            check=rule.check,
            advance=track("reading the pool", None),
        )
    report = write_subset(
        found,
        rule,
        budget,
        out,
        seed=seed,
        plan=None if plan is None else note_plan(plan),
        allow_short=allow_short,
    )
    for note in report.notes:
        echo(f"note: {note}", err=True)
    if as_json:
        echo(report.to_json(), nl=False)
        return
    _show(report)
    echo(f"Written: {out}, {report_path(out)}")


def _check(*, budget: int, seed: int, by: str | None, plan: Path | None) -> None:
    if budget < 1:
        raise InputError(f"--budget must be at least 1, got {budget}.")
    if not 0 <= seed < 2**64:
        raise InputError(f"--seed must lie in [0, 2**64), got {seed}.")
    if by is not None and by not in _BY:
        raise InputError(f"--by must be {' or '.join(_BY)}, got {by!r}.")
    if by is not None and plan is None:
        raise InputError("--by says what of a plan is followed; give --plan.")


def _check_strata(
    *, weights: str | None, plan: Path | None, edges: str | None, levels: str | None
) -> None:
    if edges is not None and weights is None:
        raise InputError("--edges are those between the strata of --weights.")
    if edges is not None and levels is not None:
        raise InputError("--edges and --levels both say what the strata are; give one of them.")
    if levels is not None and weights is None and plan is None:
        raise InputError("--levels are the strata of a mixture; give --weights or --plan.")


def _one_of(**rules: object) -> None:
    given = [f"--{name}" for name, rule in rules.items() if rule is not None]
    if len(given) != 1:
        options = ", ".join(f"--{name}" for name in rules)
        raise InputError(f"give exactly one of {options}; got {', '.join(given) or 'none'}.")


def _rule(
    window: tuple[float, float] | None,
    difficulty: float | None,
    weights: str | None,
    edges: str | None,
    levels: str | None,
) -> Rule:
    from pacbayes.planning import rules

    if window is not None:
        return rules.Window(low=window[0], high=window[1])
    if difficulty is not None:
        return rules.Nearest(difficulty=difficulty)
    shares = parse_weights("--weights", weights or "")
    if edges is None:
        return rules.LabelMixture(weights=shares, stratum_field=levels or "stratum")
    strata = rules.intervals_between(list(shares), _edges(edges))
    return rules.Mixture(weights=shares, strata=strata)


def _edges(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise InputError(
            f"--edges must be numbers with commas between them, got {text!r}."
        ) from None


def _show(report: SelectionReport) -> None:
    width = max(len("stratum"), *(len(stratum.name) for stratum in report.strata))
    echo(f"{'stratum':<{width}}  weight  wanted  supplied  available  difficulty")
    for s in report.strata:
        echo(
            f"{s.name:<{width}}  {s.weight:6.4f}  {s.wanted:6}  {s.supplied:8}  {s.available:9}  "
            f"{_spread(s.difficulty)}"
        )
    echo(
        f"Chosen: {report.subset.n_units} of {report.pool.n_units} units, "
        f"{report.subset.n_records} of {report.pool.n_records} records; "
        f"difficulty {_spread(report.difficulty)}; in the pool {_spread(report.pool_difficulty)}."
    )
    hashes = {"pool": report.pool.sha256, "subset": report.subset.sha256}
    if report.plan is not None:
        hashes["plan"] = report.plan.sha256
    echo(
        f"Seed {report.seed}; SHA-256 "
        + ", ".join(f"{name} {sha256[:16]}" for name, sha256 in hashes.items())
        + " (whole in the report)."
    )


def _spread(found: Distribution | None) -> str:
    if found is None:
        return "-"
    return f"{found.least:.4g} to {found.greatest:.4g}, median {found.median:.4g}"
