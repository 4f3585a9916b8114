"""The certified interval of each stratum, with what it is made of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pacbayes.certificate import Certificate, Part
from pacbayes.decimals import confidence
from pacbayes.files import write_atomically
from pacbayes.report.canvas import figure_bytes, name_in_figure, new_figure
from pacbayes.report.parts import PARTS

_COLOURS: dict[Part, str] = {
    "empirical_risk": "#4c72b0",
    "monte_carlo": "#8da9d4",
    "kl": "#dd8452",
    "log_term": "#f0c29e",
}


def certificate_figure(certificate: Certificate) -> Any:
    """For each stratum a bar up to the certified upper bound, split into its parts.

    The certified lower bound and the held-out risk are marked on it.
    """
    figure = new_figure(4.0 + 1.2 * len(certificate.strata), 4.0)
    axes = figure.add_subplot()
    places = range(len(certificate.strata))
    floor = [0.0] * len(certificate.strata)
    for part, colour in _COLOURS.items():
        heights = [stratum.parts[part] for stratum in certificate.strata]
        axes.bar(places, heights, bottom=floor, color=colour, label=PARTS[part], width=0.6)
        floor = [a + b for a, b in zip(floor, heights, strict=True)]
    axes.scatter(
        places,
        [stratum.risk_bound[0] for stratum in certificate.strata],
        marker="_",
        s=900,
        color="black",
        label="certified lower bound",
    )
    held = [(i, s.held_out) for i, s in enumerate(certificate.strata) if s.held_out is not None]
    if held:
        risks = [found.stochastic.mean for _, found in held]
        axes.scatter([i for i, _ in held], risks, color="black", s=22, label="held-out risk")
    axes.set_xticks(places, [f"{name_in_figure(s.name)}\nn = {s.n}" for s in certificate.strata])
    axes.set_ylim(0, 1)
    axes.set_ylabel(f"risk ({name_in_figure(certificate.loss.name)} loss)")
    axes.set_title(f"certified with {confidence(certificate.delta.total)} confidence", size=10)
    figure.legend(loc="outside right upper", fontsize=8, frameon=False)
    return figure


def save_figure(certificate: Certificate, path: Path) -> Path:
    """Writes that figure, in the format of the path's suffix, and returns the path."""
    suffix = path.suffix.removeprefix(".")
    drawn = figure_bytes(lambda: certificate_figure(certificate), (suffix,))
    write_atomically(path, drawn[suffix])
    return path
