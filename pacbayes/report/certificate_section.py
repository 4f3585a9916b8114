"""A certificate on the page."""

from __future__ import annotations

from collections.abc import Sequence

from pacbayes.certificate import Certificate, Part, StratumCertificate
from pacbayes.decimals import confidence, down, outward, short, up
from pacbayes.markup import Child, Markup, name_of, table, tag
from pacbayes.report.certificate_sources import kl_by_group, ledger, sources
from pacbayes.report.halving import Halving, halving
from pacbayes.report.labels import status_tag, wide
from pacbayes.report.ladder_table import ladder_table
from pacbayes.report.parts import MEANINGS, PARTS
from pacbayes.report.statements import guarantee, kind, model_name, verdict
from pacbayes.report.strata_chart import strata_chart

_NOTE = (
    "Certified intervals hold for all strata at once; ends are rounded outward. The risks with and "
    "without noise were measured on the data that the model was fine-tuned on and alone guarantee "
    "nothing."
)


def certificate_section(certificate: Certificate, name: str, source: str) -> Markup:
    """All of a certificate.

    Args:
        certificate: The certificate.
        name: Identifier in the page, unique in it.
        source: The file it is from.
    """
    return tag(
        "article",
        tag("h2", certificate_title(certificate), id=name),
        tag("p", "From ", tag("code", source), ".", class_="source"),
        tag("p", status_tag(kind(certificate)), " ", guarantee(certificate), class_="quote"),
        tag(
            "p",
            f"Certified is {certificate.object.description}. Loss {certificate.loss.name}: ",
            str(certificate.loss.parameters.get("statement", "see its definition")),
            ".",
        ),
        _assumptions(certificate),
        _strata(certificate),
        _parts(certificate),
        _halvings(certificate),
        ladder_table(certificate),
        ledger(certificate),
        kl_by_group(certificate),
        sources(certificate),
        aria_labelledby=name,
    )


def certificate_title(certificate: Certificate) -> str:
    """What is certified, under which loss."""
    made = "" if certificate.object.kind == "posterior" else f"{certificate.object.kind}, "
    tokens = "tokens, " if certificate.object.target == "tokens" else ""
    return (
        f"Certificate of “{model_name(certificate)}” ({made}{tokens}{certificate.loss.name} loss)"
    )


def _assumptions(certificate: Certificate) -> list[Markup]:
    return [
        tag("h3", "Under which assumptions"),
        tag("ul", [tag("li", sentence) for sentence in certificate.assumptions]),
    ]


def _strata(certificate: Certificate) -> list[Child]:
    tokens = certificate.object.target == "tokens"
    posterior = certificate.object.kind == "posterior"
    columns = [
        "stratum",
        "tokens" if tokens else "n",
        "risk without noise",
        "risk with noise" if posterior else "its risk",
        "certified interval",
        "held-out risk",
        "its interval",
        "its n",
        "verdict",
    ]
    caption = [
        "Risk by stratum; certified interval: ",
        status_tag("certificate"),
        ", held-out risk: ",
        status_tag("estimate"),
    ]
    rows = map(_stratum_row, certificate.strata)
    return [
        tag("h3", "Certified risk beside held-out risk"),
        *strata_chart(certificate),
        wide("Risk by stratum", table(caption, columns, rows, words=(0, 8))),
        tag("p", _NOTE, _held_out_level(certificate), class_="note"),
        _unscorable(certificate),
        _prior_held_out(certificate),
    ]


def _stratum_row(stratum: StratumCertificate) -> list[Child]:
    held = stratum.held_out
    risk = None if held is None else held.stochastic
    return [
        name_of(stratum.name),
        f"{stratum.n:,}",
        f"{stratum.unperturbed_risk:.4f}",
        f"{stratum.empirical_risk:.4f}",
        outward(stratum.risk_bound),
        "–" if risk is None else f"{risk.mean:.4f}",
        "–" if risk is None else outward(risk.interval),
        "–" if held is None else f"{held.n:,}",
        verdict(stratum),
    ]


def _held_out_level(certificate: Certificate) -> str | None:
    held = [s.held_out.stochastic for s in certificate.strata if s.held_out is not None]
    if not held:
        return None
    levels = sorted({confidence(risk.delta) for risk in held})
    return (
        " Held-out intervals are for comparison, each a statement of its own at "
        f"{' or '.join(levels)} confidence."
    )


def _unscorable(certificate: Certificate) -> Markup | None:
    found = [stratum for stratum in certificate.strata if stratum.n_unscorable]
    if not found:
        return None
    counts = [[name_of(stratum.name), f": {stratum.n_unscorable:,}. "] for stratum in found]
    return tag("p", "Records that cannot be scored and count as loss 1: ", counts, class_="note")


def _prior_held_out(certificate: Certificate) -> Markup | None:
    rows = [
        [name_of(stratum.name), f"{risk.mean:.4f}", outward(risk.interval)]
        for stratum in certificate.strata
        if (risk := stratum.prior_held_out) is not None
    ]
    if not rows:
        return None
    caption = [
        "The prior’s own model, for which the certification data are held out: ",
        status_tag("estimate"),
    ]
    return wide("Risk of the prior", table(caption, ["stratum", "risk", "its interval"], rows))


def _parts(certificate: Certificate) -> list[Markup]:
    columns = ["stratum", *PARTS.values(), "bound, their sum", "largest part"]
    rows = [_part_row(stratum, list(PARTS)) for stratum in certificate.strata]
    meanings = [
        tag("div", tag("dt", name), tag("dd", MEANINGS[part])) for part, name in PARTS.items()
    ]
    return [
        tag("h3", "What dominates the bound"),
        wide("Parts of the bounds", table("Parts of the upper bound", columns, rows, words=(0, 6))),
        tag("dl", meanings, class_="words note"),
    ]


def _part_row(stratum: StratumCertificate, parts: Sequence[Part]) -> list[Child]:
    return [
        name_of(stratum.name),
        *(f"{stratum.parts[part]:.4f}" for part in parts),
        up(stratum.risk_bound[1]),
        largest_part(stratum),
    ]


def largest_part(stratum: StratumCertificate) -> str:
    """The part that dominates a bound, with its share."""
    part, bound = stratum.dominated_by, stratum.risk_bound[1]
    share = stratum.parts[part] / bound if bound else 1.0
    return f"{PARTS[part]}, {100 * share:.0f}\N{NO-BREAK SPACE}%"


def _halvings(certificate: Certificate) -> list[Markup]:
    columns = ["stratum", "bound", "half of it", "n now", "n for half", "KL now", "KL for half"]
    rows = [
        _halving_row(certificate, stratum, found)
        for stratum in certificate.strata
        if (found := halving(certificate, stratum)) is not None
    ]
    if not rows:
        what = tag("p", "The recorded quantities do not suffice to tell.")
        return [tag("h3", "What would halve it"), what]
    return [
        tag("h3", "What would halve it ", status_tag("forecast")),
        wide("Break-even numbers", table("Break-even numbers", columns, rows)),
        tag(
            "p",
            "Arithmetic with the theorem of the certificate: n with the same risk and KL, or KL "
            "(in nats) with the same risk and n; n is rounded up and KL down. A model trained on "
            "more data has another risk, and its KL mostly grows.",
            class_="note",
        ),
    ]  # fmt: skip


def _halving_row(
    certificate: Certificate, stratum: StratumCertificate, found: Halving
) -> list[Child]:
    n, kl = halving_words(stratum, found)
    return [
        name_of(stratum.name),
        up(stratum.risk_bound[1]),
        up(found.target),
        f"{stratum.n:,}",
        n,
        f"{certificate.kl:,.1f}",
        kl,
    ]


def halving_words(stratum: StratumCertificate, found: Halving) -> tuple[str, str]:
    """The n and the KL that would halve a bound, in words, on the safe side.

    Where none would, what the empirical risk alone leaves.
    """
    none = f"none: {up(found.floor)} stays"
    n = none if found.n is None else f"{found.n:,} ({short(found.n / stratum.n)} times)"
    if found.kl is None:
        return n, "none: not even 0 would" if found.n is not None else none
    return n, down(found.kl, 1)
