"""`--out DIR`: the folder for results."""

from __future__ import annotations

from pathlib import Path

from pacbayes.errors import InputError


def check_out(out: Path) -> None:
    """Refuse a folder for results that is, or lies in, a file.

    Raises:
        InputError: It is.
    """
    for folder in (out, *out.parents):
        if folder.exists() and not folder.is_dir():
            raise InputError("is a file, where --out needs a folder.", path=folder)
