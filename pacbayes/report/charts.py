"""What the drawings on a page share: scales, axes, and how numbers become coordinates.

They are inline SVG whose colours come from the style sheet, so that they follow the reader's light
or dark. Each is an image with a label; its numbers stand in a table beside it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pacbayes.decimals import short
from pacbayes.markup import Attribute, Child, Markup, tag
from pacbayes.report.labels import wide

WIDTH = 720
"""Width of a drawing in its own units; it shrinks with the page."""
_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True, kw_only=True)
class Scale:
    """Numbers from `low` to `high` on coordinates from `start` to `end`.

    >>> Scale(low=1, high=100, start=0, end=10, log=True)(10)
    5.0
    """

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """The coordinate of a number; what is outside lies at the edge."""
        low, high, at = self.low, self.high, min(max(value, self.low), self.high)
        if high == low:
            return (self.start + self.end) / 2
        if self.log:
            low, high, at = math.log(low), math.log(high), math.log(at)
        # divided first, as far apart the ends' difference may be
        share = (at / 2 - low / 2) / (high / 2 - low / 2)
        return self.start + share * (self.end - self.start)


def drawing(label: str, height: float, *children: Child) -> Markup:
    """An image with a label for those who do not see it; where narrow, it scrolls."""
    image = tag("svg", *children, viewBox=f"0 0 {WIDTH} {height:g}", role="img", aria_label=label)
    return wide("Drawing", image)


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round numbers from `low` to `high`.

    >>> ticks(0, 0.43)
    [0.0, 0.1, 0.2, 0.3, 0.4]
    """
    span = high - low
    if not 0 < span < math.inf:
        return [low]
    size = 10.0 ** math.floor(math.log10(span / most))
    step = next((s * size for s in _STEPS if span <= s * size * most), 10 * size)
    first = math.ceil(low / step - 1e-9)
    return [round((first + i) * step, 12) for i in range(int((high / step - first) + 1e-9) + 1)]


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Markup:
    """A straight line."""
    return tag("line", x1=_n(x1), y1=_n(y1), x2=_n(x2), y2=_n(y2), class_=class_)


def box(x: float, y: float, width: float, height: float, class_: str) -> Markup:
    """A filled rectangle."""
    return tag("rect", x=_n(x), y=_n(y), width=_n(width), height=_n(height), class_=class_)


def dot(x: float, y: float, class_: str, radius: float = 4) -> Markup:
    """A disc."""
    return tag("circle", cx=_n(x), cy=_n(y), r=_n(radius), class_=class_)


def square(x: float, y: float, class_: str, half: float = 4.5) -> Markup:
    """A square around a point."""
    return box(x - half, y - half, 2 * half, 2 * half, class_)


def label(x: float, y: float, words: Child, class_: str | None = None) -> Markup:
    """Words at a place."""
    return tag("text", words, x=_n(x), y=_n(y), class_=class_)


def path(xs: Sequence[float], ys: Sequence[float], class_: str) -> Markup:
    """A line through points."""
    return tag("polyline", points=_points(xs, ys), class_=class_)


def area(xs: Sequence[float], low: Sequence[float], high: Sequence[float], class_: str) -> Markup:
    """What lies between two lines."""
    points = f"{_points(xs, low)} {_points(xs[::-1], high[::-1])}"
    return tag("polygon", points=points, class_=class_)


def bottom_axis(
    scale: Scale, at: Sequence[float], y: float, top: float, name: str, *, twice: bool = False
) -> Markup:
    """Ticks with numbers below (or twice, above too), faint lines upward, the axis's name."""
    marks = [
        [
            line(scale(value), y, scale(value), top, "grid"),
            label(scale(value), y + 16, short(value), "tick"),
            label(scale(value), top - 6, short(value), "tick") if twice else None,
        ]
        for value in at
    ]
    middle = (scale.start + scale.end) / 2
    return tag("g", marks, label(middle, y + 36, name, "axis"), class_="bottom")


def left_axis(scale: Scale, at: Sequence[float], x: float, right: float, name: str) -> Markup:
    """Ticks with numbers at the left, faint lines to the right, and the name above."""
    marks = [
        [
            line(x, scale(value), right, scale(value), "grid"),
            label(x - 6, scale(value) + 4, short(value), "tick"),
        ]
        for value in at
    ]
    return tag("g", marks, label(4, min(scale.start, scale.end) - 12, name, "axis"), class_="left")


def legend(entries: Sequence[tuple[str, Child]]) -> Markup:
    """What the signs mean; each entry is the class of a sign and its words."""
    items = [
        tag("li", tag("span", class_=f"sign {kind}", aria_hidden="true"), words)
        for kind, words in entries
    ]
    return tag("ul", items, class_="legend")


def shortened(text: str, most: int = 18) -> str:
    """A name that fits beside a drawing; it stands whole in the table."""
    return text if len(text) <= most else text[: most - 1] + "…"


def _points(xs: Sequence[float], ys: Sequence[float]) -> str:
    return " ".join(f"{_n(x)},{_n(y)}" for x, y in zip(xs, ys, strict=True))


def _n(value: float) -> Attribute:
    return f"{value:.1f}"
