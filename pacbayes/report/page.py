"""One HTML file that needs nothing but itself."""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Sequence
from importlib.resources import files

from pacbayes.certificate import Certificate
from pacbayes.decimals import confidence, up
from pacbayes.markup import Child, Markup, json_script, table, tag
from pacbayes.plan import Plan
from pacbayes.report.certificate_section import (
    certificate_section,
    certificate_title,
    largest_part,
)
from pacbayes.report.documents import Document, Found
from pacbayes.report.glossary import glossary
from pacbayes.report.labels import key, wide
from pacbayes.report.plan_section import plan_section, plan_title
from pacbayes.report.statements import ends
from pacbayes.version import __version__


def page(documents: Sequence[Found]) -> bytes:
    """The page of some certificates and plans, as the bytes of its file.

    Everything from a document is escaped. Beyond that the page allows itself no request, and no
    script or style but its own.

    Args:
        documents: At least one.
    """
    style, script = _own("page.css"), _own("page.js")
    names = [f"document-{place}" for place in range(len(documents))]
    listed = list(zip(documents, names, strict=True))
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_policy(style, script)),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", _title(documents)),
        tag("style", style),
    )
    body = tag(
        "body",
        tag("a", "Skip to the content", href="#content", class_="skip"),
        tag(
            "header",
            tag("h1", "PAC-Bayes report"),
            key(),
            glossary([found.document for found in documents]),
        ),
        _contents(listed),
        tag("main", [_section(found, name) for found, name in listed], id="content"),
        tag("footer", tag("p", f"Made by pacbayes {__version__}.", class_="source")),
        [json_script(f"{name}-json", found.document.to_dict()) for found, name in listed],
        tag("script", script),
    )
    whole = "<!DOCTYPE html>\n" + tag("html", head, body, lang="en") + "\n"
    return whole.encode()


def _own(name: str) -> Markup:
    return Markup(files("pacbayes.report").joinpath(name).read_text(encoding="utf-8"))


def _policy(style: str, script: str) -> str:
    def hashed(text: str) -> str:
        digest = hashlib.sha256(text.encode()).digest()
        return f"'sha256-{base64.b64encode(digest).decode()}'"

    return (
        f"default-src 'none'; style-src {hashed(style)}; script-src {hashed(script)}; "
        "base-uri 'none'; form-action 'none'"
    )


def _title(documents: Sequence[Found]) -> str:
    more = f" and {len(documents) - 1} more" if documents[1:] else ""
    return f"{_heading(documents[0].document)}{more}"


def _heading(document: Document) -> str:
    return plan_title(document) if isinstance(document, Plan) else certificate_title(document)


def _section(found: Found, name: str) -> Markup:
    path = str(found.path)
    if isinstance(found.document, Plan):
        return plan_section(found.document, name, path)
    return certificate_section(found.document, name, path)


def _contents(listed: Sequence[tuple[Found, str]]) -> Markup | None:
    """Links to several documents, and what their certificates together amount to."""
    if len(listed) == 1:
        return None
    titles = [_heading(found.document) for found, _ in listed]
    rows = [
        [[tag("a", title, href=f"#{name}"), _path(found, titles)], *_summary(found.document)]
        for title, (found, name) in zip(titles, listed, strict=True)
    ]
    columns = ["document", "largest bound", "held-out risk there", "largest part", "confidence"]
    return tag(
        "nav",
        wide("On this page", table("On this page", columns, rows, words=(0, 3))),
        tag("p", _together([found.document for found, _ in listed]), class_="note"),
        aria_label="Contents",
    )


def _path(found: Found, titles: Sequence[str]) -> list[Child]:
    """The file, where the title alone does not tell which it is."""
    alone = titles.count(_heading(found.document)) == 1
    return [] if alone else [" ", tag("code", str(found.path))]


def _summary(document: Document) -> list[Child]:
    if isinstance(document, Plan):
        return ["–"] * 4
    worst, _ = ends(document.strata)
    held = worst.held_out
    return [
        up(worst.risk_bound[1]),
        "–" if held is None else f"{held.stochastic.mean:.4f}",
        largest_part(worst),
        confidence(document.delta.total),
    ]


def _together(documents: Sequence[Document]) -> str | None:
    deltas = [document.delta.total for document in documents if isinstance(document, Certificate)]
    if len(deltas) < 2:
        return None
    alone = "Each certificate is a statement of its own"
    if math.fsum(deltas) >= 1:
        return f"{alone}; all of them together are not claimed."
    return f"{alone}; all of them hold together with at least {confidence(*deltas)} confidence."
