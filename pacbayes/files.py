"""Files that are read as they lie and written whole or not at all; folders with one writer."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path

from pacbayes.errors import InputError

LOCK = ".lock"
"""Name of the file in a folder that its writer holds; a killed one leaves it, held by nobody."""


def open_file(path: str | Path) -> BufferedReader:
    """Open a file to read.

    Raises:
        OSError: It cannot be opened, or is no file: a pipe would be waited for, and be empty when
            it is read again for its hash; a device may have no end.
    """
    file = open(path, "rb", opener=_at_once)  # noqa: SIM115, the caller closes it
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "is a pipe or a device, where a file is needed")
    return file


def _at_once(path: str, flags: int) -> int:
    # without O_NONBLOCK, which Windows does not have, opening a pipe waits for its writer
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def read_file(path: str | Path) -> bytes:
    """All bytes of a file; raises as `open_file` does."""
    with open_file(path) as file:
        return file.read()


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
