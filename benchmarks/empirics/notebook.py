"""The answer at the head of notebook 06: written from the runs, and compared with them again."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

from pacbayes.errors import InputError

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "06_theory_versus_empirics.py"

FITS = 200
"""Bootstrap fits of a plan in the notebook, a fifth of the default, for time."""

CELL = "# %% [markdown]\n"
INTRODUCTION = (
    '**Answer.** As follows, by the committed runs; "not reproduced" means shown to be '
    "otherwise, at 90 % over seeds."
)


def answer_cell(lines: Sequence[str]) -> str:
    """The lines as bullets in comments, below an introduction.

    >>> print(answer_cell(["Yes."]).splitlines()[-1])
    # - Yes.
    """
    parts = textwrap.wrap(INTRODUCTION, 97)
    parts.append("")
    for line in lines:
        parts += textwrap.wrap(f"- {line}", 97, subsequent_indent="  ")
    return "".join(f"# {part}".rstrip() + "\n" for part in parts)


def with_answer(text: str, lines: Sequence[str]) -> str:
    """The notebook with another answer in its first cell, below the title.

    Raises:
        InputError: The text has no such cell.
    """
    start = text.find(CELL)
    end = text.find("\n# %%", start + 1)
    title = text[start + len(CELL) :].split("\n", 1)[0]
    if start < 0 or end < 0 or not title.endswith("?"):
        raise InputError("not a notebook whose first cell has a question as its title.")
    return f"{text[:start]}{CELL}{title}\n#\n{answer_cell(lines)}{text[end:]}"
