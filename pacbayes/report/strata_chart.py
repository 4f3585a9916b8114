"""The certified interval of each stratum drawn beside its held-out risk."""

from __future__ import annotations

from pacbayes.certificate import Certificate, StratumCertificate
from pacbayes.decimals import up
from pacbayes.markup import Markup
from pacbayes.report.charts import (
    WIDTH,
    Scale,
    bottom_axis,
    box,
    dot,
    drawing,
    label,
    legend,
    line,
    shortened,
    ticks,
)
from pacbayes.report.parts import PARTS
from pacbayes.report.statements import ends

_LEFT, _RIGHT = 150, WIDTH - 20
_ROW, _TOP = 46, 8
_MANY, _LOW_ROW, _LOW_TOP = 12, 24, 26
"""Of so many strata or more the rows are lower, and the scale stands above them too."""


def strata_chart(certificate: Certificate) -> list[Markup]:
    """A row for each stratum: the bound in its parts, the certified interval, the held-out risk."""
    strata = certificate.strata
    scale = Scale(low=0, high=_reach(strata), start=_LEFT, end=_RIGHT)
    many = len(strata) >= _MANY
    height, top = (_LOW_ROW, _LOW_TOP) if many else (_ROW, _TOP)
    bottom = top + height * len(strata)
    rows = [
        _row(stratum, scale, top + height * i, height / _ROW) for i, stratum in enumerate(strata)
    ]
    name = f"risk ({certificate.loss.name} loss)"
    axis = bottom_axis(scale, ticks(0, scale.high), bottom, top, name, twice=many)
    worst, best = ends(strata)
    words = (
        f"Certified intervals of {len(strata)} strata, held-out risks and parts of the bounds; "
        f"bounds from {up(best.risk_bound[1])} ({best.name}) to {up(worst.risk_bound[1])} "
        f"({worst.name}); numbers in the tables"
    )
    return [drawing(words, bottom + 46, axis, rows), _legend(certificate)]


def _reach(strata: tuple[StratumCertificate, ...]) -> float:
    """The end of the axis: a round number past everything drawn."""
    held = [s.held_out.stochastic.interval[1] for s in strata if s.held_out is not None]
    most = max([stratum.risk_bound[1] for stratum in strata] + held)
    at = ticks(0, max(most, 1e-6))
    step = at[1] - at[0] if len(at) > 1 else most
    return min(1.0, at[-1] if at[-1] >= most else at[-1] + step)


def _row(stratum: StratumCertificate, scale: Scale, top: float, size: float) -> list[Markup]:
    drawn = [label(_LEFT - 10, top + 8 + 12 * size, shortened(stratum.name), "name")]
    floor = 0.0
    for part, height in stratum.parts.items():
        start, end = scale(floor), scale(floor + height)
        shape = (start, top + 6 * size, max(0.0, end - start), 14 * size)
        drawn.append(box(*shape, part.replace("_", "-")))
        floor += height
    drawn += _interval(stratum.risk_bound, scale, top + 27 * size, 4 * size, "certified")
    if stratum.held_out is not None:
        risk = stratum.held_out.stochastic
        drawn += _interval(risk.interval, scale, top + 37 * size, 4 * size, "held-out")
        drawn.append(dot(scale(risk.mean), top + 37 * size, "held-out", 3.5))
    return drawn


def _interval(
    interval: tuple[float, float], scale: Scale, y: float, half: float, class_: str
) -> list[Markup]:
    low, high = map(scale, interval)
    ends = [line(x, y - half, x, y + half, class_) for x in (low, high)]
    return [line(low, y, high, y, class_), *ends]


def _legend(certificate: Certificate) -> Markup:
    entries: list[tuple[str, str]] = [
        (part.replace("_", "-"), name) for part, name in PARTS.items()
    ]
    entries.append(("certified", "certified interval (certificate)"))
    if any(stratum.held_out is not None for stratum in certificate.strata):
        entries.append(("held-out", "held-out risk and its interval (estimate)"))
    return legend(entries)
