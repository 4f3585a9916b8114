"""The command line: `pacbayes VERB`, and `pacbayes-bound`, which is `pacbayes bound`.

Nothing heavy is imported before the arguments are parsed, so that `--help` answers at once.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from pacbayes.cli.bound import bound
from pacbayes.cli.bounds import bounds
from pacbayes.cli.echo import echo
from pacbayes.cli.exit_codes import BAD_INPUT, INTERRUPTED
from pacbayes.cli.plan import plan
from pacbayes.cli.report import report
from pacbayes.cli.score import score
from pacbayes.cli.select import select
from pacbayes.cli.selftest import selftest
from pacbayes.cli.sweep import sweep
from pacbayes.cli.verify import verify
from pacbayes.errors import InputError
from pacbayes.version import __version__

_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings=_SETTINGS,
    help="PAC-Bayes certificates of fine-tuned language models.",
)
app.command("bound")(bound)
app.command("bounds")(bounds)
app.command("plan")(plan)
app.command("report")(report)
app.command("score")(score)
app.command("select")(select)
app.command("selftest")(selftest)
app.command("sweep")(sweep)
app.command("verify")(verify)

bound_app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings=_SETTINGS,
)
bound_app.command()(bound)


def _version(wanted: bool) -> None:
    if wanted:
        echo(__version__)
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Entry point of `pacbayes`."""
    _run(app)


def bound_main() -> None:
    """Entry point of `pacbayes-bound`."""
    _run(bound_app)


def _run(program: typer.Typer) -> None:
    try:
        program()
    except InputError as error:
        echo(f"error: {error}", err=True)
        sys.exit(BAD_INPUT)
    except (KeyboardInterrupt, SystemExit) as stop:
        # typer turns an interruption inside a command into a silent exit
        if isinstance(stop, SystemExit) and stop.code != INTERRUPTED:
            raise
        echo("interrupted; run the same command again to go on from here.", err=True)
        sys.exit(INTERRUPTED)
