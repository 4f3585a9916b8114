"""Calling the libraries that read models, which fail in as many ways as there are folders."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pacbayes.errors import InputError

_LONGEST = 300


@contextmanager
def refusing(what: str, path: Path) -> Iterator[None]:
    """A context in which every error of a library is an InputError about the file it reads.

    Args:
        what: What is wrong then; the library's own words are added.
        path: The file or folder.
    """
    try:
        yield
    except InputError:
        raise
    except BaseException as error:
        # a library in Rust that panics raises no Exception
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{what} ({reason[:_LONGEST]}).", path=path) from None
