"""The certified interval of each stratum, with what it is made of."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pacbayes.certificate import Certificate, Part
from pacbayes.decimals import confidence
from pacbayes.files import write_atomically
from pacbayes.report.canvas import figure_bytes, name_in_figure, new_figure
from pacbayes.report.parts import PARTS
from pacbayes.schema import Interval

_COLOURS: dict[Part, str] = {
    "empirical_risk": "#4c72b0",
    "monte_carlo": "#8da9d4",
    "kl": "#dd8452",
    "log_term": "#f0c29e",
}
_HELD_OUT = "#17603f"
_TALLEST = 100.0
"""Inches; matplotlib refuses images of 65,536 pixels."""


def certificate_figure(certificate: Certificate) -> Any:
    """For each stratum a bar up to the certified upper bound, split into its parts.

    Below it the certified interval, and that of the held-out risk.
    """
    strata = certificate.strata
    figure = new_figure(9.0, min(1.6 + 0.6 * len(strata), _TALLEST))
    axes = figure.add_subplot()
    floor = [0.0] * len(strata)
    for part, colour in _COLOURS.items():
        widths = [stratum.parts[part] for stratum in strata]
        axes.barh(
            range(len(strata)), widths, left=floor, color=colour, label=PARTS[part], height=0.4
        )
        floor = [a + b for a, b in zip(floor, widths, strict=True)]
    certified = [(place, stratum.risk_bound) for place, stratum in enumerate(strata)]
    _intervals(axes, certified, 0.29, "black", "certified interval (certificate)")
    held = [(i, s.held_out.stochastic) for i, s in enumerate(strata) if s.held_out is not None]
    if held:
        name = "held-out risk and its interval (estimate)"
        _intervals(axes, [(i, risk.interval) for i, risk in held], 0.4, _HELD_OUT, name)
        means, places = [risk.mean for _, risk in held], [i + 0.4 for i, _ in held]
        axes.plot(means, places, "o", color=_HELD_OUT, markersize=4)
    axes.set_yticks(range(len(strata)), [f"{name_in_figure(s.name)}\nn = {s.n:,}" for s in strata])
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.set_xlabel(f"risk ({name_in_figure(certificate.loss.name)} loss)")
    axes.set_title(f"certified with {confidence(certificate.delta.total)} confidence", size=10)
    figure.legend(loc="outside right upper", fontsize=8, frameon=False)
    return figure


def _intervals(
    axes: Any, found: Sequence[tuple[int, Interval]], below: float, colour: str, name: str
) -> None:
    middles = [(low + high) / 2 for _, (low, high) in found]
    halves = [(high - low) / 2 for _, (low, high) in found]
    places = [place + below for place, _ in found]
    axes.errorbar(middles, places, xerr=halves, fmt="none", ecolor=colour, capsize=3, label=name)


def save_figure(certificate: Certificate, path: Path) -> Path:
    """Writes that figure, in the format of the path's suffix, and returns the path."""
    suffix = path.suffix.removeprefix(".")
    drawn = figure_bytes(lambda: certificate_figure(certificate), (suffix,))
    write_atomically(path, drawn[suffix])
    return path
