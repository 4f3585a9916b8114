"""What a certificate was paid with and computed from, on the page."""

from __future__ import annotations

from pacbayes.certificate import Centre, Certificate, DataFile
from pacbayes.decimals import confidence
from pacbayes.markup import Child, Markup, name_of, table, tag
from pacbayes.report.labels import wide

_GROUPS_SHOWN = 10


def ledger(certificate: Certificate) -> list[Markup]:
    """What the failure probability was spent on."""
    delta = certificate.delta
    rows = [[entry.event, f"{entry.delta:.3g}"] for entry in delta.ledger]
    rows.append(["at most, together", f"{delta.total:g}"])
    caption = f"Everything that may fail, {confidence(delta.total)} confidence in all"
    return [
        tag("h3", "Where δ went"),
        wide("Ledger of δ", table(caption, ["event", "δ"], rows)),
    ]


def kl_by_group(certificate: Certificate) -> Markup:
    """The largest parts of the KL, folded up."""
    shares = sorted(certificate.kl_by_group.items(), key=lambda item: -item[1])
    rows = [[name_of(name), f"{value:,.2f}"] for name, value in shares[:_GROUPS_SHOWN]]
    others = sum(value for _, value in shares[_GROUPS_SHOWN:])
    if len(shares) > _GROUPS_SHOWN:
        rows.append([f"{len(shares) - _GROUPS_SHOWN} others", f"{others:,.2f}"])
    rows.append(["all", f"{certificate.kl:,.2f}"])
    return tag(
        "details",
        tag("summary", f"What the bound pays for the choice: {certificate.kl:,.1f} nats"),
        wide("KL by tensor", table("KL in nats by tensor group", ["group", "nats"], rows)),
    )


def sources(certificate: Certificate) -> Markup:
    """Files, hashes, versions and seed, folded up."""
    prior, posterior = certificate.prior, certificate.posterior
    hashed: list[tuple[str, Centre | DataFile]] = [
        ("posterior's centre", posterior.centre),
        ("prior's centre", prior.centre),
        *([("base", prior.base)] if prior.base is not None else []),
    ]
    hashed += [("data", file) for file in certificate.data]
    hashed += [("data of the prior", file) for file in prior.data]
    rows = [_file_row(role, file) for role, file in hashed]
    versions = ", ".join(f"{k} {v}" for k, v in certificate.environment.packages.items())
    return tag(
        "details",
        tag("summary", "What it was computed from"),
        wide(
            "Files and their hashes",
            table("Files", ["what", "path", "records", "SHA-256"], rows, words=(0, 1, 3)),
        ),
        tag(
            "p",
            f"Made {certificate.created} by pacbayes {certificate.version}, seed "
            f"{certificate.seed}, on {certificate.environment.device} in "
            f"{certificate.environment.dtype}, with {versions}. Posterior: {posterior.family}, "
            f"{posterior.choice}.",
        ),
    )


def _file_row(role: str, file: Centre | DataFile) -> list[Child]:
    records = f"{file.n_records:,}" if isinstance(file, DataFile) else "–"
    digest = tag("code", file.sha256, class_="hash")
    return [role, tag("code", name_of(file.path)), records, digest]
