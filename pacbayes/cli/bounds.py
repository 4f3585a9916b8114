"""`pacbayes bounds`: the theorems, and what they say at given numbers."""

from __future__ import annotations

import inspect
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pacbayes.cli.echo import echo
from pacbayes.decimals import down, up
from pacbayes.errors import InputError

if TYPE_CHECKING:
    from pacbayes.bounds import Ranked


def bounds(
    name: Annotated[
        str | None, typer.Argument(help="Show the theorem of this name.", show_default=False)
    ] = None,
    risk: Annotated[
        float | None,
        typer.Option("--risk", help="Empirical risk, in [0, 1].", show_default=False),
    ] = None,
    kl: Annotated[
        float | None, typer.Option("--kl", help="KL(Q‖P) in nats.", show_default=False)
    ] = None,
    n: Annotated[
        int | None, typer.Option("--n", help="Independent units.", show_default=False)
    ] = None,
    delta: Annotated[float, typer.Option("--delta", help="Failure probability.")] = 0.05,
    graded: Annotated[
        bool,
        typer.Option(
            "--graded",
            help="The losses are not only 0 or 1: only bounds that need no more than their mean.",
        ),
    ] = False,
    option: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="A further number, such as second_moment=.01, or a constant of one bound, such "
            "as catoni.c=1; repeatable.",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the theorems; with --risk, --kl and --n evaluate and rank all that apply."""
    from pacbayes.bounds.registry import BOUNDS, lookup

    if name is not None:
        try:
            found = lookup(name)
        except ValueError as error:
            raise InputError(str(error)) from None
        echo(f"{name}({', '.join((*found.needs, 'delta'))})\n")
        echo(inspect.getdoc(found.function) or "")
        return
    if risk is kl is n is None:
        _list(as_json)
        return
    if risk is None or kl is None or n is None:
        raise InputError("--risk, --kl and --n must be given together.")
    from pacbayes.bounds import rank, zero_one

    errors = risk * n
    whole = not graded and n >= 1 and 0 <= risk <= 1 and abs(errors - round(errors)) < 1e-6
    arguments: dict[str, Any] = {"empirical_risk": risk, "n": n}
    if whole:
        arguments = zero_one(n_errors=round(errors), n=n)
    further, constants = _further(option or [])
    arguments |= {"kl": kl} | further
    try:
        rows = rank(delta=delta, constants=constants, **arguments)
    except ValueError as error:
        raise InputError(str(error)) from None
    if as_json:
        listed = [asdict(row) for row in rows]
        echo(json.dumps({"delta": delta, "arguments": arguments, "bounds": listed}, indent=2))
        return
    if whole:
        echo(
            f"Taken as {round(errors)} errors among {n} losses of 0 or 1; --graded if they are not."
        )
    _show(rows, len(BOUNDS), delta)


def _further(options: list[str]) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    """Numbers of the sample, and constants by the name of their bound."""
    further: dict[str, float] = {}
    constants: dict[str, dict[str, float]] = {}
    for option in options:
        key, _, text = option.partition("=")
        try:
            value = float(text)
        except ValueError:
            raise InputError(
                f"--set {option}: must be NAME=VALUE with a number, as variance=.01 or catoni.c=1."
            ) from None
        bound, dot, constant = key.strip().partition(".")
        if dot:
            constants.setdefault(bound, {})[constant] = value
        else:
            further[bound] = value
    return further, constants


def _list(as_json: bool) -> None:
    from pacbayes.bounds.registry import BOUNDS

    if as_json:
        facts = ("statement", "assumptions", "losses", "event", "reference", "needs")
        listed = {
            name: {fact: getattr(bound, fact) for fact in facts} for name, bound in BOUNDS.items()
        }
        echo(json.dumps(listed, indent=2, ensure_ascii=False))
        return
    for name, bound in BOUNDS.items():
        echo(name)
        echo(f"  {bound.statement}")
        echo(f"  assumes  {bound.assumptions}")
        echo(f"  losses   {bound.losses}")
        echo(f"  event    {bound.event}")
        echo(f"  source   {bound.reference}")


def _show(rows: list[Ranked], known: int, delta: float) -> None:
    for held_out, title in ((False, "PAC-Bayes"), (True, "If these n were held out")):
        part = [row for row in rows if row.held_out is held_out]
        if not part:
            continue
        echo(f"{title:26} {'at most':>13} {'at least':>13}  event")
        for row in part:
            upper = up(row.upper, 9)
            lower = "" if row.lower is None else down(row.lower, 9)
            echo(f"  {row.name:24} {upper:>13} {lower:>13}  {row.event}")
    events = len({row.event for row in rows if not row.held_out})
    echo(
        f"Each holds with probability 1 - {delta:g} on its own, PAC-Bayes bounds with both sides, "
        "test-set bounds with one.\nThe least of several on one event is free; to take the least "
        f"over these {events} events, give each delta/{events}."
    )
    echo(f"{len(rows)} of {known} apply; others need more numbers (--set) or the losses.")
