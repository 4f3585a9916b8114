"""Running the certification and writing what it found: certificates, figures, tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pacbayes.certificate import Certificate
from pacbayes.certify import certify
from pacbayes.cli.echo import echo
from pacbayes.cli.progress import progress
from pacbayes.data.sample import Sample
from pacbayes.errors import InputError
from pacbayes.files import replace_file
from pacbayes.models.fine_tuned import FineTuned
from pacbayes.models.posterior_file import NAME
from pacbayes.objects import OBJECTS, Run
from pacbayes.optimize import OPTIMISED
from pacbayes.report.documents import read_documents
from pacbayes.report.figure import save_figure
from pacbayes.report.page import page
from pacbayes.report.table import show_certificates
from pacbayes.settings import Settings
from pacbayes.weight_perturbation import GIVEN


def certify_and_write(
    model: FineTuned,
    sample: Sample,
    settings: Settings,
    out: Path,
    objects: tuple[str, ...],
    *,
    quiet: bool,
) -> tuple[tuple[Certificate, ...], tuple[Certificate, ...]]:
    """The posterior's certificates, then those of the other objects; all are written and shown.

    Each certificate is written as soon as it is there.

    Args:
        model: The model.
        sample: The data.
        settings: How to certify.
        out: The run's folder.
        objects: Names of the other objects, see `pacbayes.objects.OBJECTS`.
        quiet: Prints nothing.
    """
    written, others = [], []
    leads = settings.team.leads
    with progress(shown=leads) as track:
        certificates = certify(
            model,
            sample,
            settings,
            draws_folder=out / "draws",
            posterior_folder=out,
            track=track,
        )
        if leads:
            written += _posterior(certificates[0], settings, out)
            written += _write(certificates, out, "certificate")
        run = Run(
            model=model,
            sample=sample,
            settings=settings,
            certificates=certificates,
            folder=out / "objects",
            track=track,
        )
        for name in objects:
            found = OBJECTS[name](run)
            if leads:
                written += _write(found, out, f"certificate.{name}")
            others.append(found)
    if leads:
        written.append(_write_page(out, written))
    if leads and not quiet:
        show_certificates(certificates)
        for found in others:
            echo()
            show_certificates(found)
        echo(f"Written: {', '.join(map(str, written))}")
    return certificates, tuple(certificate for found in others for certificate in found)


def _posterior(certificate: Certificate, settings: Settings, out: Path) -> list[Path]:
    """The file of a posterior that is not centred at the checkpoint, if this run has written it."""
    choice, path = certificate.posterior.choice, out / NAME
    if settings.optimize and not choice.startswith(OPTIMISED):
        echo("note: optimising gave no smaller bound; certified without it.", err=True)
    written = certificate.posterior.centre.path == str(path) and choice != GIVEN
    return [path] if written else []


def _write(certificates: Sequence[Certificate], out: Path, stem: str) -> list[Path]:
    """Writes a certificate and its figure for each loss; only the first is without its name."""
    out.mkdir(parents=True, exist_ok=True)
    written = []
    for place, certificate in enumerate(certificates):
        name = stem if place == 0 else f"{stem}.{certificate.loss.name}"
        path = out / f"{name}.json"
        certificate.write(path)
        written += [path, save_figure(certificate, out / "figures" / f"{name}.png")]
    return written


def _write_page(out: Path, written: Sequence[Path]) -> Path:
    """Writes the page of the certificates among the written files."""
    found = read_documents(path for path in written if path.suffix == ".json")
    path = out / "report.html"
    try:
        replace_file(path, page(found))
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror}.", path=path) from error
    return path
