"""The ladder of bounds on the page: a column for each stratum, or for the two at the ends."""

from __future__ import annotations

from pacbayes.certificate import Certificate
from pacbayes.decimals import up
from pacbayes.markup import Child, Markup, name_of, table, tag
from pacbayes.report.labels import status_tag, wide
from pacbayes.report.ladder import Rung, ladder
from pacbayes.report.statements import ends

_MOST_COLUMNS = 3
"""With more strata those of the largest and of the least bound are shown."""


def ladder_table(certificate: Certificate) -> list[Markup]:
    """What the theorems say, the least bound of the first stratum shown on top."""
    strata = certificate.strata
    chosen = strata if len(strata) <= _MOST_COLUMNS else ends(strata)
    ladders = [{rung.name: rung for rung in ladder(certificate, stratum)} for stratum in chosen]
    names = dict.fromkeys(name for rungs in ladders for name in rungs)
    columns: list[Child] = [
        "theorem",
        *(["at most, ", name_of(stratum.name)] for stratum in chosen),
        "what it is",
        "on the event",
        "proved in",
    ]
    rows = [
        _row([rungs[name] for rungs in ladders if name in rungs], [r.get(name) for r in ladders])
        for name in names
    ]
    few = "" if chosen is strata else " Of all strata, those of the largest and of the least bound."
    last = len(columns) - 1
    words = (0, last - 2, last - 1, last)
    return [
        tag("h3", "Ladder of bounds"),
        tag(
            "p",
            "The theorems at the recorded quantities. Those on the event that the certificate has "
            "paid for hold together with it; any other would need a share of δ of its own and is "
            f"not claimed.{few}",
            class_="note",
        ),
        wide("Ladder of bounds", table("Upper bounds on the risk", columns, rows, words=words)),
    ]


def _row(found: list[Rung], cells: list[Rung | None]) -> list[Child]:
    kind = status_tag("certificate") if all(rung.paid for rung in found) else "not claimed"
    return [
        tag("code", found[0].name),
        *("–" if rung is None else up(rung.upper) for rung in cells),
        kind,
        found[0].event,
        found[0].reference,
    ]
