"""`pacbayes selftest`: whether certificates made on this machine can be trusted."""

from __future__ import annotations

import json
import platform
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pacbayes.cli.bound import prepare
from pacbayes.cli.echo import echo
from pacbayes.cli.exit_codes import NOT_VERIFIED
from pacbayes.errors import InputError
from pacbayes.version import __version__

if TYPE_CHECKING:
    from pacbayes.selftest import Finding


def selftest(
    device: Annotated[str, typer.Option(help="Where models run: cpu or cuda.")] = "cpu",
    seed: Annotated[int, typer.Option(help="Of all noise and resampling.")] = 0,
    check: Annotated[
        list[str] | None, typer.Option(help="Run only this check; repeat it for several.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON at the end.")] = False,
) -> None:
    """Test on this machine that bounds hold, noise has its law and certificates cover the risk.

    Runs on the shipped sample in about a minute. Exits with 4 if anything fails.

    Example: pacbayes selftest --device cuda
    """
    if not 0 <= seed < 2**64:
        raise InputError(f"--seed must lie in [0, 2**64), got {seed}.")
    if device == "auto":
        raise InputError("--device auto spreads a model; test its devices one by one.")
    prepare(device)
    from pacbayes.selftest import Bench
    from pacbayes.selftest.registry import chosen, run_checks

    names = chosen(check or [])
    started = time.process_time()
    found = []
    if not as_json:
        echo(_line("check", "figure", "limit", "result", ""))
    for name, finding in run_checks(Bench(device=device, seed=seed), names):
        found.append((name, finding))
        if not as_json:
            echo(_row(name, finding))
    seconds = time.process_time() - started
    if as_json:
        echo(_json(found, device, seed, seconds))
    else:
        echo(_summary(found, device, seed, seconds))
    if _failures(found):
        raise typer.Exit(NOT_VERIFIED)


def _line(check: str, figure: str, limit: str, result: str, what: str) -> str:
    return f"{check:10}  {figure:>10}  {limit:>11}  {result:7}  {what}".rstrip()


def _row(name: str, finding: Finding) -> str:
    if finding.figure is None:
        return _line(name, "", "", finding.result, f"{finding.what}: {finding.reason}")
    sign = "≥" if finding.at_least else "≤"
    limit = f"{sign} {finding.limit:.4g}"
    return _line(name, f"{finding.figure:.4g}", limit, finding.result, finding.what)


def _summary(found: list[tuple[str, Finding]], device: str, seed: int, seconds: float) -> str:
    failures = _failures(found)
    skipped = sum(finding.result == "skipped" for _, finding in found)
    verdict = f"FAILED: {', '.join(failures)}" if failures else "passed"
    return (
        f"{verdict} on {device} with seed {seed}: {len(found)} figures, {skipped} skipped, "
        f"{seconds:.0f} s of CPU. A sound machine fails with probability at most "
        f"{_false_alarm(found):.1g} over seeds."
    )


def _failures(found: list[tuple[str, Finding]]) -> list[str]:
    """Checks with a figure beyond its limit."""
    return list(dict.fromkeys(name for name, finding in found if finding.result == "fail"))


def _false_alarm(found: list[tuple[str, Finding]]) -> float:
    return sum(finding.false_alarm for _, finding in found)


def _json(found: list[tuple[str, Finding]], device: str, seed: int, seconds: float) -> str:
    import torch

    facts: dict[str, Any] = {
        "version": __version__,
        "device": device,
        "seed": seed,
        "machine": platform.machine(),
        "torch": torch.__version__,
        "passed": not _failures(found),
        "failed": _failures(found),
        "false_alarm": _false_alarm(found),
        "cpu_seconds": round(seconds, 1),
        "figures": [
            {"check": name, "result": finding.result} | asdict(finding) for name, finding in found
        ],
    }
    return json.dumps(facts, indent=2, ensure_ascii=False)
