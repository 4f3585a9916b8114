"""Files that are written whole or not at all, and folders with one writer at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pacbayes.errors import InputError

LOCK = ".lock"
"""Name of the file in a folder that its writer holds; a killed one leaves it, held by nobody."""


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Hold a folder, which is made if it is missing, so that no other process writes to it.

    The system lets go of the lock with the process, however that ends. A folder that is empty in
    the end is removed.

    Raises:
        InputError: Another process that is still alive holds it, or it cannot be written to.
    """
    from filelock import FileLock, Timeout  # 25 ms, which no other use of this module needs

    lock = FileLock(folder / LOCK)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(blocking=False)
    except Timeout:
        raise InputError(
            "is being written to by another run; wait until that ends, or give another --out.",
            path=folder,
        ) from None
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror}.", path=folder) from error
    try:
        yield
    finally:
        with suppress(OSError):
            (folder / LOCK).unlink()  # while it is held: who waits for it looks for another one
            folder.rmdir()
        lock.release()


def replace_file(path: Path, content: bytes) -> None:
    """Put `content` at `path` in one step: a reader sees the old file or the new one."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


def write_atomically(path: Path, content: bytes) -> None:
    """`replace_file`; missing folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, content)
