"""HTML that data cannot break: every text becomes escaped, only `Markup` is taken as it is.

>>> tag("td", "<script>", class_="name")
'<td class="name">&lt;script&gt;</td>'
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Collection, Iterable, Sequence
from typing import Any, TypeAlias

VOID = frozenset({"br", "input", "link", "meta"})
"""Elements without an end."""


class Markup(str):
    """HTML; what joins or formats it is a plain text again, to be escaped."""

    __slots__ = ()


Child: TypeAlias = "str | Iterable[Child] | None"
Attribute: TypeAlias = "str | float | bool | None"


UNSEEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)
"""Controls; those of direction would turn around what stands behind them, numbers too."""


def escaped(text: str) -> Markup:
    """The text as HTML shows it; control characters and halves of pairs as signs, not as such."""
    text = UNSEEN.sub("\N{REPLACEMENT CHARACTER}", text)
    # a path that is not UTF-8 holds lone surrogates, which no file can
    return Markup(html.escape(text.encode(errors="backslashreplace").decode()))


def tag(name: str, /, *children: Child, **attributes: Attribute) -> Markup:
    """An element.

    Args:
        name: Its name.
        children: What is in it: texts, which are escaped, markup, lists of these; None is nothing.
        attributes: A `_` at the end is dropped, others become `-`. True is an attribute without
            a value; None and False leave it out.
    """
    listed = "".join(_attribute(key, value) for key, value in attributes.items())
    if name in VOID:
        return Markup(f"<{name}{listed}>")
    return Markup(f"<{name}{listed}>{joined(children)}</{name}>")


def joined(children: Child) -> Markup:
    """Children one after another."""
    if children is None:
        return Markup()
    if isinstance(children, Markup):
        return children
    if isinstance(children, str):
        return escaped(children)
    return Markup("".join(map(joined, children)))


def _attribute(key: str, value: Attribute) -> str:
    if value is None or value is False:
        return ""
    name = key.removesuffix("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{escaped(str(value))}"'


def name_of(text: str) -> Markup:
    """A name from the data, isolated: one written right to left leaves the rest in order."""
    return tag("bdi", text)


def table(
    caption: Child,
    columns: Sequence[Child],
    rows: Iterable[Sequence[Child]],
    *,
    words: Collection[int] = (0,),
) -> Markup:
    """A table whose first cells name the rows.

    Args:
        caption: What it shows.
        columns: Their names.
        rows: Their cells.
        words: Places of the columns that are words; the others are numbers, to the right.
    """
    kinds = [None if place in words else "number" for place in range(len(columns))]
    head = [
        tag("th", name, scope="col", class_=kind) for name, kind in zip(columns, kinds, strict=True)
    ]
    return tag(
        "table",
        tag("caption", caption),
        tag("thead", tag("tr", head)),
        tag("tbody", [_row(row, kinds) for row in rows]),
    )


def _row(row: Sequence[Child], kinds: Sequence[str | None]) -> Markup:
    cells = zip(row, kinds, strict=True)
    first, kind = next(cells)
    return tag(
        "tr",
        tag("th", first, scope="row", class_=kind),
        [tag("td", cell, class_=kind) for cell, kind in cells],
    )


def json_script(name: str, values: Any) -> Markup:
    r"""JSON for programs that read the page; no text in it can end the element.

    >>> json_script("a", {"b": "</script>"})
    '<script type="application/json" id="a">{"b": "\\u003c/script\\u003e"}</script>'
    """
    content = json.dumps(values)
    for sign in "<>&":
        content = content.replace(sign, f"\\u{ord(sign):04x}")
    return tag("script", Markup(content), type="application/json", id=name)
