"""The figures of certificates and plans together, as files."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import count

from pacbayes.plan import Plan
from pacbayes.report.canvas import figure_bytes
from pacbayes.report.documents import Found
from pacbayes.report.figure import certificate_figure
from pacbayes.report.plan_figures import plan_figures


def figures(documents: Sequence[Found], suffix: str) -> dict[str, bytes]:
    """The figures of all documents by file name; a name that is taken gets a number."""
    drawn: dict[str, bytes] = {}
    stems = [found.path.stem for found in documents]
    for found in documents:
        # of several runs, each with its certificate, the folder tells which it is
        alone = stems.count(found.path.stem) == 1 or not found.path.parent.name
        prefix = "" if alone else f"{found.path.parent.name}."
        for plain, content in _figures(found, suffix).items():
            name = prefix + plain
            drawn[_free(name, suffix, drawn)] = content
    return drawn


def _figures(found: Found, suffix: str) -> dict[str, bytes]:
    if isinstance(found.document, Plan):
        return plan_figures(found.document, (suffix,))
    drawn = figure_bytes(partial(certificate_figure, found.document), (suffix,))
    return {f"{found.path.stem}.{suffix}": drawn[suffix]}


def _free(name: str, suffix: str, taken: dict[str, bytes]) -> str:
    if name not in taken:
        return name
    stem = name.removesuffix(f".{suffix}")
    numbered = (f"{stem}.{number}.{suffix}" for number in count(2))
    return next(candidate for candidate in numbered if candidate not in taken)
