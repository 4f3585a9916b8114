"""`pacbayes verify`: a certificate recomputed from what it records, and from its inputs."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pacbayes.errors import InputError

if TYPE_CHECKING:
    from pacbayes.verify import Finding, Report

FAILED = 4


def verify(
    certificate: Annotated[Path, typer.Argument(help="A certificate.json.", show_default=False)],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print what was found as JSON, and nothing else.")
    ] = False,
) -> None:
    """Recompute a certificate by other code than made it; exit with 4 if a field is wrong.

    Example: pacbayes verify runs/easy/certificate.json
    """
    from pacbayes.verify import UnreadableError, read
    from pacbayes.verify import verify as recompute

    try:
        report = recompute(read(certificate))
    except UnreadableError as error:
        raise InputError(str(error), path=certificate) from None
    if as_json:
        typer.echo(json.dumps(_described(report), indent=2))
    else:
        _show(report, certificate)
    if report.findings:
        raise typer.Exit(FAILED)


def _described(report: Report) -> dict[str, Any]:
    return {
        "verified": not report.findings,
        "checks": report.checks,
        "findings": [asdict(finding) for finding in report.findings],
        "unchecked": list(report.unchecked),
    }


def _show(report: Report, path: Path) -> None:
    for finding in report.findings:
        typer.echo(_printable(_line(finding)))
    verdict = f"{len(report.findings)} fields are wrong" if report.findings else "all agree"
    typer.echo(f"{path}: {report.checks} comparisons, {verdict}.")
    if not report.findings:
        typer.echo(f"Nothing here to check with: {', '.join(_kinds(report.unchecked))}.")


def _line(finding: Finding) -> str:
    text = f"{finding.field}: recorded {finding.recorded!r}, must be {finding.recomputed}"
    return f"{text} (from {', '.join(finding.depends_on)})" if finding.depends_on else text


def _kinds(fields: tuple[str, ...]) -> list[str]:
    """Fields without their places, each once."""
    return list(dict.fromkeys(_printable(re.sub(r"\[\d+\]", "[]", name)) for name in fields))


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
