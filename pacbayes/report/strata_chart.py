"""The certified interval of each stratum drawn beside its held-out risk."""

from __future__ import annotations

from pacbayes.certificate import Certificate, StratumCertificate
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

_LEFT, _RIGHT = 150, WIDTH - 20
_ROW, _TOP = 46, 8


def strata_chart(certificate: Certificate) -> list[Markup]:
    """A row for each stratum: the bound in its parts, the certified interval, the held-out risk."""
    strata = certificate.strata
    scale = Scale(low=0, high=_reach(strata), start=_LEFT, end=_RIGHT)
    bottom = _TOP + _ROW * len(strata)
    rows = [_row(stratum, scale, _TOP + _ROW * i) for i, stratum in enumerate(strata)]
    name = f"risk ({certificate.loss.name} loss)"
    axis = bottom_axis(scale, ticks(0, scale.high), bottom, _TOP, name)
    words = f"Certified interval and parts of the bound of {len(strata)} strata, numbers below"
    return [drawing(words, bottom + 46, axis, rows), _legend(certificate)]


def _reach(strata: tuple[StratumCertificate, ...]) -> float:
    """The end of the axis: a round number past everything drawn."""
    held = [s.held_out.stochastic.interval[1] for s in strata if s.held_out is not None]
    most = max([stratum.risk_bound[1] for stratum in strata] + held)
    at = ticks(0, max(most, 1e-6))
    step = at[1] - at[0] if len(at) > 1 else most
    return min(1.0, at[-1] if at[-1] >= most else at[-1] + step)


def _row(stratum: StratumCertificate, scale: Scale, top: float) -> list[Markup]:
    drawn = [label(_LEFT - 10, top + 20, shortened(stratum.name), "name")]
    floor = 0.0
    for part, height in stratum.parts.items():
        start, end = scale(floor), scale(floor + height)
        drawn.append(box(start, top + 6, max(0.0, end - start), 14, part.replace("_", "-")))
        floor += height
    drawn += _interval(stratum.risk_bound, scale, top + 27, "certified")
    if stratum.held_out is not None:
        risk = stratum.held_out.stochastic
        drawn += _interval(risk.interval, scale, top + 37, "held-out")
        drawn.append(dot(scale(risk.mean), top + 37, "held-out", 3.5))
    return drawn


def _interval(interval: tuple[float, float], scale: Scale, y: float, class_: str) -> list[Markup]:
    low, high = map(scale, interval)
    ends = [line(x, y - 4, x, y + 4, class_) for x in (low, high)]
    return [line(low, y, high, y, class_), *ends]


def _legend(certificate: Certificate) -> Markup:
    entries: list[tuple[str, str]] = [
        (part.replace("_", "-"), name) for part, name in PARTS.items()
    ]
    entries.append(("certified", "certified interval (certificate)"))
    if any(stratum.held_out is not None for stratum in certificate.strata):
        entries.append(("held-out", "held-out risk and its interval (estimate)"))
    return legend(entries)
