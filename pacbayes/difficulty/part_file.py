"""An output file in the making: written beside its place, continued after an interruption.

`OUT.part` holds the lines so far, `OUT.part.json` says how far that is, for which settings and
after which input. Only when all is done does the part take the place of `OUT`.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from pacbayes import strict_json
from pacbayes.difficulty.tally import Tally
from pacbayes.errors import InputError
from pacbayes.files import read_file

FORMAT = 1
_BLOCK = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Reached:
    """How far an output file has come.

    Attributes:
        settings: Digest of what the output depends on beside the input.
        offset, line: Where the next record starts in the input, in bytes and lines.
        read: SHA-256 of the input before that.
        written: Bytes of output so far.
        made: SHA-256 of them.
        tally: What was counted so far.
    """

    settings: str
    offset: int
    line: int
    read: str
    written: int
    made: str
    tally: Mapping[str, Any]

    def __post_init__(self) -> None:
        places = (self.offset, self.line, self.written)
        if not all(type(place) is int and place >= 0 for place in places):
            raise ValueError(f"`offset`, `line` and `written` must be whole, got {places}.")


class PartFile:
    """The output in the making.

    Args:
        out: Where the output will be.
        source: The input.
        settings: Digest of what the output depends on beside the input.
    """

    def __init__(self, out: Path, source: Path, settings: str) -> None:
        self._out = out
        self._source = source
        self._settings = settings
        self.part = out.with_name(out.name + ".part")
        self.state = out.with_name(out.name + ".part.json")
        self.read = hashlib.sha256()
        self.made = hashlib.sha256()
        self._file: IO[bytes]

    def found(self) -> Reached | str | None:
        """Look for what an earlier run has left.

        Returns:
            How far it came; or why that is of no use; or None if there is nothing.
        """
        if not self.state.is_file():
            return None
        try:
            value = strict_json.parse(read_file(self.state).decode())
            if value.pop("format") != FORMAT:
                raise ValueError
            found = Reached(**value)
            Tally.from_json(found.tally)
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return f"{self.state} is damaged"
        if found.settings != self._settings:
            return "it was begun with other settings"
        if self._prefix(self.part, found.written, self.made) != found.made:
            return f"{self.part} is damaged"
        if self._prefix(self._source, found.offset, self.read) != found.read:
            return f"{self._source} has changed since"
        return found

    def open(self, kept: Reached | None) -> None:
        """Open the part, after what is kept of it.

        Raises:
            InputError: The part cannot be written.
        """
        try:
            if kept is None:
                self.read, self.made = hashlib.sha256(), hashlib.sha256()
                self._file = self.part.open("wb")
                return
            self._file = self.part.open("r+b")
        except OSError as error:
            raise InputError(f"cannot be written: {error.strerror}.", path=self.part) from None
        self._file.truncate(kept.written)
        self._file.seek(kept.written)

    def write(self, data: bytes) -> None:
        """Append to the part."""
        self._file.write(data)
        self.made.update(data)

    def reached(self, offset: int, line: int, tally: Mapping[str, Any]) -> Reached:
        """Return how far the part is now, given the place in the input and the counts."""
        return Reached(
            settings=self._settings,
            offset=offset,
            line=line,
            read=self.read.hexdigest(),
            written=self._file.tell(),
            made=self.made.hexdigest(),
            tally=tally,
        )

    def save(self, reached: Reached) -> None:
        """Note how far the part has come, so that a later run can go on from there."""
        self._file.flush()
        write_whole(self.state, json.dumps({"format": FORMAT} | asdict(reached)))

    def finish(self) -> None:
        """Put the part in the place of the output."""
        self._file.close()
        os.replace(self.part, self._out)
        self.state.unlink(missing_ok=True)

    def close(self) -> None:
        """Leave the part for a later run."""
        self._file.close()

    def discard(self) -> None:
        """Leave nothing."""
        self._file.close()
        self.part.unlink(missing_ok=True)
        self.state.unlink(missing_ok=True)

    def _prefix(self, path: Path, size: int, digest: Any) -> str | None:
        """Feed the first bytes of a file to a digest and return it, None if there are fewer."""
        if not path.is_file() or path.stat().st_size < size:
            return None
        with path.open("rb") as file:
            while size > 0:
                block = file.read(min(size, _BLOCK))
                if not block:
                    return None
                digest.update(block)
                size -= len(block)
        return str(digest.hexdigest())


def write_whole(path: Path, text: str) -> None:
    """Write a small file so that it is never seen half-written."""
    fresh = path.with_name(path.name + ".new")
    fresh.write_text(text, encoding="utf-8")
    os.replace(fresh, path)
