"""The exceptions that are shown to the user in one line: bad input, and a process that is lost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pacbayes.printable import printable

_LONGEST = 2000
"""Characters of a message; what it quotes of the input may have any length."""
_LONGEST_REASON = 300


class InputError(ValueError):
    """Input that cannot be used. Its text is one line, fit to be shown to the person who gave it.

    The command line prints the text on stderr and exits with code 2.

    Args:
        message: What is wrong, the constraint, and the usual mistake.
        path: The file or folder at fault, shown in front of the message.
        line: The 1-based line in that file.
    """

    def __init__(
        self, message: str, *, path: str | Path | None = None, line: int | None = None
    ) -> None:
        where = "" if path is None else f"{path}: " if line is None else f"{path}:{line}: "
        super().__init__(printable(_shortened(f"{where}{message}")))
        self.path = path
        self.line = line


class WriteError(InputError):
    """A place that cannot be written to, as on a full disk; what is written already is kept."""


class ProcessLostError(RuntimeError):
    """One of several processes that work together is gone, so the others end as well.

    Args:
        message: Which one, and why if that is known.
        told: Whether the first process says so already.
    """

    def __init__(self, message: str, *, told: bool = False) -> None:
        super().__init__(message)
        self.told = told


def _shortened(text: str) -> str:
    half = _LONGEST // 2
    return text if len(text) <= _LONGEST else f"{text[:half]} ... {text[-half:]}"


@contextmanager
def refusing(
    what: str, *, path: str | Path | None = None, line: int | None = None
) -> Iterator[None]:
    """A context in which any error of a library that reads input is an `InputError`.

    Libraries fail on damaged files in as many ways as there are files.

    Args:
        what: What is wrong then; the library's own words are added.
        path: The file or folder that is read.
        line: The 1-based line in it.
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
        raise InputError(f"{what} ({reason[:_LONGEST_REASON]}).", path=path, line=line) from None
