"""Doctests of docstrings as code blocks: in Markdown their `>>>` would be quotations."""

from collections.abc import Iterator
from typing import Any

from griffe import Extension, Object


def fenced(lines: list[str]) -> Iterator[str]:
    """The lines with a fence around each doctest, which ends at an empty line."""
    inside = False
    for line in lines:
        starts, ends = line.startswith(">>>") and not inside, inside and not line.strip()
        if starts or ends:
            yield "```pycon" if starts else "```"
            inside = starts
        yield line
    if inside:
        yield "```"


class DoctestBlocks(Extension):
    """Changes docstrings as they are loaded."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """Called for each module, class, function and attribute."""
        if obj.docstring is not None:
            obj.docstring.value = "\n".join(fenced(obj.docstring.lines))
