"""What all figures share: how they begin and how they become files."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterable
from typing import Any

from pacbayes.printable import printable
from pacbayes.report.charts import shortened

FORMATS = ("png", "svg")
DPI = 150


def new_figure(width: float, height: float) -> Any:
    """A figure without a window, in inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def name_in_figure(name: str) -> str:
    """A name from the data as a figure has room for it; it stands whole in the tables."""
    return shortened(printable(name))


def figure_bytes(draw: Callable[[], Any], suffixes: Iterable[str]) -> dict[str, bytes]:
    """The files of a figure by suffix; the same figure gives the same files.

    Args:
        draw: Gives the figure; or None, then there are no files.
        suffixes: Some of `FORMATS`.
    """
    from matplotlib import rc_context

    # a dollar in a name of the data begins no formula
    with (
        rc_context({"svg.hashsalt": "pacbayes", "svg.fonttype": "none", "text.parse_math": False}),
        warnings.catch_warnings(),
    ):
        # a sign that the font lacks is a box
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
        figure = draw()
        return {} if figure is None else {suffix: _saved(figure, suffix) for suffix in suffixes}


def _saved(figure: Any, suffix: str) -> bytes:
    buffer = io.BytesIO()
    metadata = {"Date": None} if suffix == "svg" else None
    figure.savefig(buffer, dpi=DPI, format=suffix, metadata=metadata)
    return buffer.getvalue()
