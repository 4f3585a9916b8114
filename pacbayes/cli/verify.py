"""`pacbayes verify`: a certificate recomputed from what it records and its inputs, or a plan."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pacbayes.cli.echo import echo
from pacbayes.cli.exit_codes import NOT_VERIFIED
from pacbayes.errors import InputError
from pacbayes.printable import printable

if TYPE_CHECKING:
    from pacbayes.verify import Finding, Report

_PLAN = "pacbayes.plan/"


def verify(
    certificate: Annotated[
        Path, typer.Argument(help="A certificate.json, or a plan.json.", show_default=False)
    ],
    checkpoint: Annotated[
        Path | None,
        typer.Option(help="The fine-tuned model's folder."),
    ] = None,
    posterior: Annotated[
        Path | None,
        typer.Option(
            help="File of a posterior that is centred elsewhere; with --checkpoint the one beside "
            "the certificate."
        ),
    ] = None,
    prior: Annotated[Path | None, typer.Option(help="Folder before fine-tuning.")] = None,
    base: Annotated[Path | None, typer.Option(help="Base model of an adapter.")] = None,
    network: Annotated[
        Path | None, typer.Option(help="The one network that is certified, of --also.")
    ] = None,
    data: Annotated[
        list[Path] | None, typer.Option(help="Certification data, as it was given; repeatable.")
    ] = None,
    held_out: Annotated[
        list[Path] | None, typer.Option(help="Held-out data, as it was given; repeatable.")
    ] = None,
    prior_data: Annotated[
        list[Path] | None, typer.Option(help="What the prior was trained on; repeatable.")
    ] = None,
    draws: Annotated[
        Path | None, typer.Option(help="The run's folder of losses, DIR/draws.")
    ] = None,
    runs: Annotated[
        Path | None, typer.Option(help="The runs that a plan was made from: folder or file.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print what was found as JSON, and nothing else.")
    ] = False,
) -> None:
    """Recompute a certificate or plan by other code than made it; exit with 4 if a field is wrong.

    Its numbers are checked against one another; those of a certificate, with inputs, also against
    hashes, numbers of units, the divergence and the empirical risk.

    Example: pacbayes verify runs/easy/certificate.json --draws runs/easy/draws
    """
    from pacbayes.verify import Inputs, UnreadableError, check_inputs, read
    from pacbayes.verify import verify as recompute
    from pacbayes.verify.inputs import posterior_beside
    from pacbayes.verify.plans import verify_plan
    from pacbayes.verify.plans.runs import check_runs

    inputs = Inputs(
        checkpoint=checkpoint,
        posterior=posterior,
        prior=prior,
        base=base,
        network=network,
        data=data or (),
        held_out=held_out or (),
        prior_data=prior_data or (),
        draws=draws,
    )
    try:
        document = read(certificate)
        if str(document.get("schema")).startswith(_PLAN):
            if inputs != Inputs():
                raise InputError("a plan is made from --runs; the other inputs are certificates'.")
            report = verify_plan(document)
            if not report.findings and runs is not None:
                check_runs(document, report, runs)
        elif runs is not None:
            raise InputError("--runs is what a plan is made from; this is a certificate.")
        else:
            report = recompute(document)
            if not report.findings:
                if checkpoint is not None and posterior is None:
                    inputs = replace(inputs, posterior=posterior_beside(certificate, document))
                check_inputs(document, report, inputs)
    except UnreadableError as error:
        raise InputError(str(error)) from None
    if as_json:
        echo(json.dumps(_described(report), indent=2))
    else:
        _show(report, certificate)
    if report.findings:
        raise typer.Exit(NOT_VERIFIED)


def _described(report: Report) -> dict[str, Any]:
    return {
        "verified": not report.findings,
        "checks": report.checks,
        "findings": [asdict(finding) for finding in report.findings],
        "unchecked": list(report.unchecked),
    }


def _show(report: Report, path: Path) -> None:
    for finding in report.findings:
        echo(printable(_line(finding)))
    verdict = f"{len(report.findings)} fields are wrong" if report.findings else "all agree"
    echo(f"{path}: {report.checks} comparisons, {verdict}.")
    if not report.findings:
        echo(f"Nothing here to check with: {', '.join(_kinds(report.unchecked))}.")


def _line(finding: Finding) -> str:
    text = f"{finding.field}: recorded {finding.recorded!r}, must be {finding.recomputed}"
    return f"{text} (from {', '.join(finding.depends_on)})" if finding.depends_on else text


def _kinds(fields: tuple[str, ...]) -> list[str]:
    """Fields without their places, each once."""
    return list(dict.fromkeys(printable(re.sub(r"\[\d+\]", "[]", name)) for name in fields))
