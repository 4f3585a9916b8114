"""Where tables are printed: a console on which no text from data is more than text."""

from __future__ import annotations

from typing import Any, TextIO

from rich.console import Console
from rich.text import Text

from pacbayes.printable import printable_lines

_PIPE_WIDTH = 118


class _Terminal(Console):
    """Escapes in every text what would steer a terminal."""

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(printable_lines(text), **options)


def terminal(file: TextIO | None = None) -> Console:
    """A console that prints to a file, stdout by default."""
    console = _Terminal(file=file, highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = _PIPE_WIDTH
    return console
