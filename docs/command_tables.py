"""The page of commands, written from the command line itself as the site is built."""

import html
import re
from collections.abc import Iterator
from typing import Any

import typer

from pacbayes.cli import app

_MARK = "<!-- commands -->"


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Called by MkDocs for each page."""
    return markdown.replace(_MARK, "\n".join(_sections())) if _MARK in markdown else markdown


def _sections() -> Iterator[str]:
    """A heading, what the command does, and a table of its options, for each command."""
    program: Any = typer.main.get_command(app)
    for name, command in program.commands.items():
        context = command.make_context(name, [], resilient_parsing=True)
        does, _, example = command.help.partition("Example: ")
        yield f"## pacbayes {name}\n"
        yield " ".join(_escaped(line) for line in does.splitlines()) + "\n"
        if example:
            yield f"```\n{example}\n```\n"
        yield "| option | does |\n| --- | --- |"
        records = [p.get_help_record(context) for p in command.get_params(context)]
        yield from (f"| `{_plain(option)}` | {_escaped(does)} |" for option, does in records)
        yield ""


def _plain(option: str) -> str:
    """`--data <path>` for `--data <list[Path]>`."""
    return re.sub(r"<list\[(\w+)\]>", lambda found: f"<{found[1].lower()}>", option)


def _escaped(text: str) -> str:
    """Text of the terminal as Markdown within a table."""
    return re.sub(r"([|*_`\\])", r"\\\1", html.escape(text, quote=False))
