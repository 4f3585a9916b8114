"""Certificates and plans as Markdown for a model card."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from pacbayes.certificate import Certificate, StratumCertificate
from pacbayes.decimals import confidence, outward, short, up
from pacbayes.markup import UNSEEN
from pacbayes.plan import BudgetPlan, Plan
from pacbayes.report.certificate_section import certificate_title, halving_words, largest_part
from pacbayes.report.documents import Document
from pacbayes.report.halving import halving
from pacbayes.report.model_index import front_matter
from pacbayes.report.plan_section import plan_title, recommendation, target_words
from pacbayes.report.statements import CERTIFIED, guarantee, kind, verdict


def markdown(documents: Sequence[Document]) -> str:
    """A section for each document, behind the hub's metadata of the certificates."""
    front = front_matter([found for found in documents if isinstance(found, Certificate)])
    sections = [
        _plan(found) if isinstance(found, Plan) else _certificate(found) for found in documents
    ]
    return front + "".join(f"\n{section}" for section in sections)


def plain(text: str) -> str:
    r"""Text that Markdown and HTML leave as it is, on one line.

    >>> print(plain("a|b\n<i>*c*"))
    a\|b &lt;i&gt;\*c\*
    """
    text = text.encode(errors="backslashreplace").decode()
    line = " ".join(UNSEEN.sub(" ", text).split())
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_{}\[\]#|~!])", r"\\\1", line)


def _certificate(certificate: Certificate) -> str:
    return _joined(
        f"## {plain(certificate_title(certificate))}",
        f"**{kind(certificate).capitalize()}.** {plain(guarantee(certificate))}",
        "Assumptions:",
        _list(certificate.assumptions),
        _table(
            ["stratum", "n", "certified risk", "held-out risk (estimate)", "largest part"],
            [_stratum(stratum) for stratum in certificate.strata],
        ),
        _halvings(certificate),
        f"KL: {certificate.kl:,.1f} nats; δ = {certificate.delta.total:g}, spent on:",
        _list(f"{entry.event}: {entry.delta:.3g}" for entry in certificate.delta.ledger),
    )


def _stratum(stratum: StratumCertificate) -> list[str]:
    held = stratum.held_out
    shown = "–"
    if held is not None:
        risk = held.stochastic
        level = confidence(risk.delta)
        shown = f"{risk.mean:.4f} {outward(risk.interval)} at {level}, n = {held.n:,}"
    found = verdict(stratum)
    certified = outward(stratum.risk_bound) + ("" if found == CERTIFIED else f" ({found})")
    return [plain(stratum.name), f"{stratum.n:,}", certified, shown, largest_part(stratum)]


def _halvings(certificate: Certificate) -> str | None:
    rows = [
        [plain(stratum.name), up(found.target), *halving_words(stratum, found)]
        for stratum in certificate.strata
        if (found := halving(certificate, stratum)) is not None
    ]
    if not rows:
        return None
    return _joined(
        "**Forecast** (arithmetic, with the same risk and otherwise the same n or KL): what would "
        "halve the bound.",
        _table(["stratum", "half of the bound", "n", "KL, nats"], rows),
    ).rstrip("\n")


def _plan(plan: Plan) -> str:
    warning = plan.misspecification.warning
    return _joined(
        f"## {plain(plan_title(plan))}",
        f"**Forecast.** {plain(recommendation(plan))}",
        None if warning is None else f"**Warning.** {plain(warning)}",
        f"From {plan.runs.number} runs; target: {plain(target_words(plan))}. The difficulty "
        "d\\*(n), target risk and mixture are forecasts; the bound is what stands beside it.",
        _table(
            ["budget", "d\\*(n)", "target risk", "bound", "its kind", "mixture"],
            [_budget(answer, plan) for answer in plan.budgets],
        ),
        "Assumptions:" if plan.assumptions else None,
        _list(plan.assumptions),
        "What the runs cannot tell:" if plan.unknown else None,
        _list(plan.unknown),
    )


def _budget(answer: BudgetPlan, plan: Plan) -> list[str]:
    weights = {} if answer.mixture is None else answer.mixture.weights
    shares = [
        f"{plain(s.name)} {100 * weights[s.name]:.0f} %" for s in plan.strata if s.name in weights
    ]
    bound = answer.objective.bound
    return [
        f"{answer.budget:,}",
        short(answer.optimal_difficulty.value),
        f"{answer.predicted_risk.value:.3f}",
        f"{bound:.3f}" + (" (vacuous)" if bound >= 1 else ""),
        answer.objective.status,
        ", ".join(shares) or "–",
    ]


def _list(sentences: Iterable[str]) -> str | None:
    return "\n".join(f"- {plain(sentence)}" for sentence in sentences) or None


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [columns, ["---", *["---:"] * (len(columns) - 1)], *rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in lines)


def _joined(*blocks: str | None) -> str:
    return "\n\n".join(block for block in blocks if block) + "\n"
