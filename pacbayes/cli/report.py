"""`pacbayes report`: certificates and plans as a page, as text for a model card, or as figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated

import typer

from pacbayes.cli.echo import echo
from pacbayes.cli.out import check_out
from pacbayes.errors import InputError
from pacbayes.files import write_atomically

if TYPE_CHECKING:
    from pacbayes.report.documents import Found

SUFFIXES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"html": (".html", ".htm"), "markdown": (".md", ".markdown"), "png": ("",), "svg": ("",)}
)
"""How the name given as --out may end; figures are several files, in a folder."""

_DEFAULTS = MappingProxyType(
    {"html": "report.html", "markdown": "report.md", "png": "figures", "svg": "figures"}
)


def report(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="PATH...",
            help="Run folders, folders of them (a sweep), certificate.json or plan.json; several "
            "make one report.",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            help="File to write, or folder for png and svg. [default: report.html, report.md or "
            "figures]",
            show_default=False,
        ),
    ] = None,
    form: Annotated[
        str,
        typer.Option(
            "--format",
            help="html: one page that needs no network; markdown: for a model card, with the "
            "hub's metadata; png or svg: the figures.",
        ),
    ] = "html",
) -> None:
    """Show certificates and plans to readers who do not know PAC-Bayes.

    Example: pacbayes report runs/easy runs/plan/plan.json --out report.html
    """
    if form not in SUFFIXES:
        raise InputError(f"--format must be one of {', '.join(SUFFIXES)}, got {form!r}.")
    out = Path(_DEFAULTS[form]) if out is None else out
    _check_name(form, out)
    from pacbayes.report.documents import read_documents

    found = read_documents(paths)
    contents = _CONTENTS[form](found, out)
    try:
        for path, content in contents.items():
            write_atomically(path, content)
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror}.", path=out) from error
    shown = str(out) if len(contents) == 1 else f"{len(contents)} figures in {out}"
    echo(f"Written: {shown}")


def _check_name(form: str, out: Path) -> None:
    suffixes = SUFFIXES[form]
    if suffixes == ("",):
        check_out(out)
        return
    if out.suffix.lower() not in suffixes:
        raise InputError(
            f"--format {form} writes a file whose name ends in {suffixes[0]}, got {str(out)!r}; "
            "the usual mistake is a --format left out."
        )
    check_out(out.parent)
    if out.is_dir():
        raise InputError("is a folder, where --out needs a file.", path=out)


def _html(found: list[Found], out: Path) -> dict[Path, bytes]:
    from pacbayes.report.page import page

    return {out: page(found)}


def _markdown(found: list[Found], out: Path) -> dict[Path, bytes]:
    from pacbayes.report.markdown import markdown

    return {out: markdown([item.document for item in found]).encode()}


def _figures(suffix: str) -> Callable[[list[Found], Path], dict[Path, bytes]]:
    def drawn(found: list[Found], out: Path) -> dict[Path, bytes]:
        from pacbayes.report.figures import figures

        return {out / name: content for name, content in figures(found, suffix).items()}

    return drawn


_CONTENTS: Mapping[str, Callable[[list[Found], Path], dict[Path, bytes]]] = MappingProxyType(
    {"html": _html, "markdown": _markdown, "png": _figures("png"), "svg": _figures("svg")}
)
