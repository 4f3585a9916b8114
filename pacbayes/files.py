"""Files that are read as they lie and written whole or not at all, by one writer at a time.

What is being written has a name `.NAME.PID.unfinished` until it is complete. A process that was
killed leaves that behind, and whoever next claims the place removes it.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import stat
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from io import BufferedReader
from pathlib import Path

from pacbayes.errors import InputError, WriteError

LOCK = ".lock"
"""Name of the file in a folder that its writer holds; a killed one leaves it, held by nobody."""

_UNFINISHED = re.compile(r"\.(.+)\.\d+\.unfinished")


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

    The system lets go of the lock with the process, however that ends. What a killed process has
    not finished is removed, and in the end the folder, if it is empty.

    Raises:
        InputError: Another process that is still alive holds it, or it cannot be written to.
    """
    _make(folder)
    try:
        with _held(folder / LOCK, of=folder):
            for path in _unfinished_below(folder):
                _remove(path)
            yield
    finally:
        _remove_empty(folder)


@contextmanager
def claimed_file(path: Path) -> Iterator[None]:
    """As `claimed`, for one file, and those that have its name in theirs, in a folder of many.

    The folder is made if it is missing, and removed again if nothing comes into it.

    Raises:
        InputError: See `claimed`.
    """
    made = [folder for folder in path.parents if not folder.exists()]
    _make(path.parent)
    try:
        with _held(path.with_name(f".{path.name}{LOCK}"), of=path):
            for entry in path.parent.iterdir():
                left = _UNFINISHED.fullmatch(entry.name)
                if left and (left[1] == path.name or left[1].startswith(f"{path.name}.")):
                    _remove(entry)
            yield
    finally:
        for folder in made:
            _remove_empty(folder)


@contextmanager
def in_place_of(path: Path) -> Iterator[Path]:
    """A path to write a file to, which takes the place of `path` if all goes well, else is gone.

    Several that are entered one after another are all complete before the first takes its place,
    which is the last one.

    Raises:
        WriteError: It cannot be written.
    """
    temporary = unfinished(path)
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        _remove(temporary)


@contextmanager
def filling(folder: Path) -> Iterator[Path]:
    """An empty folder to write files to, which are moved to `folder` if all goes well.

    Raises:
        WriteError: They cannot be written.
    """
    partial = unfinished(folder / "files")
    try:
        _remove(partial)
        partial.mkdir(parents=True)
        yield partial
        for entry in sorted(partial.iterdir()):
            entry.replace(folder / entry.name)
    except OSError as error:
        raise unwritable(folder, error) from error
    finally:
        _remove(partial)


def replace_file(path: Path, content: bytes) -> None:
    """Put `content` at `path` in one step: a reader sees the old file or the new one.

    Raises:
        WriteError: It cannot be written; what was there before is still there.
    """
    with in_place_of(path) as temporary:
        temporary.write_bytes(content)


def write_atomically(path: Path, content: bytes) -> None:
    """`replace_file`; missing folders are made."""
    write_all({path: content})


def write_all(contents: Mapping[Path, bytes]) -> None:
    """Put files in their places when all of them are written; missing folders are made.

    The first of them is the last to take its place: where it is, all are.

    Raises:
        WriteError: One cannot be written, and none is; nor are there new folders.
    """
    made = [folder for path in contents for folder in path.parents if not folder.exists()]
    try:
        with ExitStack() as stack:
            for path, content in contents.items():
                _make(path.parent)
                stack.enter_context(in_place_of(path)).write_bytes(content)
    except BaseException:
        for folder in sorted(set(made), reverse=True):
            _remove_empty(folder)
        raise


def unfinished(path: Path) -> Path:
    """The name of what is going to be at `path`, until it is complete."""
    return path.with_name(f".{path.name}.{os.getpid()}.unfinished")


def is_trace(path: Path) -> bool:
    """Whether a file or folder is one that a writer works with, not one that was written."""
    return path.name == LOCK or _UNFINISHED.fullmatch(path.name) is not None


def unwritable(path: Path, error: OSError) -> WriteError:
    """The error of a place that cannot be written to, for the person who named it."""
    return WriteError(f"cannot be written: {error.strerror or error}.", path=path)


@contextmanager
def _held(lock_file: Path, *, of: Path) -> Iterator[None]:
    from filelock import FileLock, Timeout  # 25 ms, which no other use of this module needs

    lock = FileLock(lock_file)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise InputError(
            "is being written to by another run; wait until that ends, or give another --out.",
            path=of,
        ) from None
    except OSError as error:
        raise unwritable(of, error) from error
    try:
        yield
    finally:
        with suppress(OSError):
            lock_file.unlink()  # while it is held: who waits for it looks for another one
        lock.release()


def _unfinished_below(folder: Path) -> Iterator[Path]:
    """What killed processes left in a folder, but for folders in it with a claim of their own."""
    for root, folders, names in os.walk(folder):
        if root != str(folder) and LOCK in names:
            folders.clear()
            continue
        left = [name for name in (*folders, *names) if _UNFINISHED.fullmatch(name)]
        folders[:] = [name for name in folders if name not in left]
        yield from (Path(root, name) for name in left)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(folder, error) from error


def _remove(path: Path) -> None:
    """Remove a file or a folder, if it is there and can be removed."""
    with suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _remove_empty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()
