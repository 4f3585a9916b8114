"""The command line: `pacbayes VERB`, and `pacbayes-bound`, which is `pacbayes bound`.

Nothing heavy is imported before the arguments are parsed, so that `--help` answers at once.
"""

from __future__ import annotations

import atexit
import os
import sys
from typing import Annotated

import typer

from pacbayes.cli.bound import bound
from pacbayes.cli.bounds import bounds
from pacbayes.cli.echo import echo
from pacbayes.cli.exit_codes import BAD_INPUT, INTERRUPTED, PROCESS_LOST
from pacbayes.cli.plan import plan
from pacbayes.cli.report import report
from pacbayes.cli.score import score
from pacbayes.cli.select import select
from pacbayes.cli.selftest import selftest
from pacbayes.cli.stopping import Stop, deaf, stoppable
from pacbayes.cli.sweep import sweep
from pacbayes.cli.verify import verify
from pacbayes.errors import InputError, ProcessLostError
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
    code: object = None
    try:
        with stoppable() as stop:
            code = _ended(program, stop)
    except KeyboardInterrupt:  # it came as the program ended
        code = INTERRUPTED if code is None else code
    atexit.register(deaf)
    sys.exit(code)  # type: ignore[arg-type]


def _ended(program: typer.Typer, stop: Stop) -> object:
    """The exit code of a program, once it has run and said what was wrong."""
    try:
        program()
        code: object = 0
    except KeyboardInterrupt:
        code = INTERRUPTED
    except SystemExit as end:  # typer turns an interruption inside a command into a silent one
        code = end.code or 0
    except InputError as error:
        echo(f"error: {error}", err=True)
        code = BAD_INPUT
    except ProcessLostError as error:
        if not error.told:
            echo(f"error: {error}", err=True)
        code = PROCESS_LOST
    except OSError as error:
        echo(f"error: {_place_of(error)}: {error.strerror or error}.", err=True)
        code = BAD_INPUT
    except Exception:
        if stop.signal is None:
            raise
        code = stop.code  # a library has made something else of the interruption
    if code == INTERRUPTED or (code and stop.signal):
        code = stop.code
        echo("interrupted; run the same command again to go on from here.", err=True)
    return code


def _place_of(error: OSError) -> str:
    """What a call of the system failed on; it does not say so of what is open already."""
    if error.filename is not None:
        return os.fsdecode(error.filename)
    # nothing more can be said there, not by the interpreter's last words either
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return "standard output, or a file that is open"
