"""JSON objects of a file, one a line, read strictly and as a stream.

UTF-8; a byte-order mark and CRLF are accepted, blank lines are skipped. What cannot be understood
is an error with its file and line.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pacbayes import strict_json
from pacbayes.errors import InputError
from pacbayes.files import open_file
from pacbayes.strict_json import kind


def read_raw(path: str | Path, *, offset: int = 0, line: int = 1) -> Iterator[tuple[int, bytes]]:
    """Yield the number and bytes of every line, blank ones too, line end included.

    Bytes are split at newlines before they are decoded: `str.splitlines` would also split at
    U+2028 and other characters that are legal inside a JSON string.

    Args:
        path: The file.
        offset: Where to start, in bytes.
        line: The number of the line that starts there.

    Raises:
        InputError: The file cannot be read.
    """
    try:
        with open_file(path) as file:
            file.seek(offset)
            yield from enumerate(file, start=line)
    except OSError as error:
        raise unreadable(path, error) from error


def unreadable(path: str | Path, error: OSError) -> InputError:
    """Return what to tell the person who named a file that cannot be read."""
    if isinstance(error, FileNotFoundError):
        return InputError("no such file.", path=path)
    if isinstance(error, IsADirectoryError):
        return InputError("is a folder; give the JSONL file in it.", path=path)
    return InputError(f"cannot be read: {error.strerror or error}.", path=path)


def parse_object(raw: bytes, path: str | Path, line: int) -> dict[str, Any] | None:
    """Return the JSON object of a line, or None if the line is blank.

    Raises:
        InputError: The line, which is named, is no UTF-8, no strict JSON or no object.
    """
    text = _decoded(raw, path, line).strip()
    if not text:
        return None
    try:
        value = strict_json.parse(text)
    except strict_json.MalformedError as error:
        raise InputError(
            f"{error}; a record is one JSON object on one line (not a pretty-printed file or a "
            "JSON array).",
            path=path,
            line=line,
        ) from error
    except strict_json.JsonError as error:
        raise InputError(f"{error}.", path=path, line=line) from error
    if not isinstance(value, dict):
        raise InputError(
            f"a record must be a JSON object, got {kind(value)}.", path=path, line=line
        )
    return value


def _decoded(raw: bytes, path: str | Path, line: int) -> str:
    try:
        return raw.decode("utf-8-sig" if line == 1 else "utf-8")
    except UnicodeDecodeError as error:
        raise InputError(
            f"invalid UTF-8 at byte {error.start + 1} of the line; save the file as UTF-8.",
            path=path,
            line=line,
        ) from error
