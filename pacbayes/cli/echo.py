"""What a command prints: names from data and files cannot steer the terminal."""

from __future__ import annotations

import typer

from pacbayes.printable import printable_lines


def echo(text: str = "", *, err: bool = False, nl: bool = True) -> None:
    """Print lines of text, or JSON, which stays what it is; on stderr with `err`."""
    typer.echo(printable_lines(text), err=err, nl=nl)
