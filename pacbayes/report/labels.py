"""The three kinds of statement, told apart by word, colour and border."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from pacbayes.markup import Child, Markup, tag
from pacbayes.plan import Status

MEANINGS: Mapping[Status, str] = MappingProxyType(
    {
        "certificate": "a theorem's number: it holds with the stated confidence, under the listed "
        "assumptions",
        "estimate": "measured, with its sampling error; where it is a bound, it also rests on an "
        "assumption that was not checked",
        "forecast": "from a fitted model, or arithmetic with quantities that would change: no "
        "guarantee",
    }
)
"""From the strongest to the weakest."""


def status_tag(status: str) -> Markup:
    """The word, one of those or `vacuous`, marked up as what it is."""
    return tag("span", status, class_=f"status {status}")


def key() -> Markup:
    """What the three words mean."""
    return tag(
        "dl",
        [
            tag("div", tag("dt", status_tag(status)), tag("dd", meaning))
            for status, meaning in MEANINGS.items()
        ],
        class_="key",
    )


def wide(name: str, *children: Child) -> Markup:
    """What may be wider than the page: it scrolls by itself, with the keyboard too."""
    return tag("div", *children, class_="wide", role="group", tabindex="0", aria_label=name)
