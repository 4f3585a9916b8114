"""Text from data that is shown to people: nothing in it steers a terminal or ends a line."""

from __future__ import annotations

import json
import unicodedata


def printable(text: str) -> str:
    r"""Escape what is no visible character: controls, line ends, changes of direction, surrogates.

    The escapes are those of JSON, so that JSON stays what it is.

    >>> print(printable("easy\x1b[2J\n\u202e"))
    easy\u001b[2J\n\u202e
    """
    if text.isprintable():
        return text
    return "".join(c if _is_visible(c) else json.dumps(c)[1:-1] for c in text)


def _is_visible(sign: str) -> bool:
    return sign.isprintable() or unicodedata.category(sign) == "Zs"  # all kinds of spaces


def printable_lines(text: str) -> str:
    r"""The same for a text of several lines, which stay lines.

    >>> print(printable_lines("a\tb\nc"))
    a\tb
    c
    """
    return "\n".join(map(printable, text.split("\n")))
