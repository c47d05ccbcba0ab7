"""Folders for files on their way: gone with the block that made them, or after its process.

A killed worker cannot tidy up, and what it leaves is a person's photos or half a gigabyte of
weights. Each folder is locked while its process lives; whoever starts next removes the others.

What our own disk refuses (it is full, it fails, too many files are open) is never the file's fault:
it is an `OwnDisk`, which passes once somebody makes room, and what was paid for is tried again.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from io import FileIO
from pathlib import Path

from safelight.domain.errors import Retryable

PREFIX = "safelight-scratch-"

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_HANDLES = frozenset({errno.EMFILE, errno.ENFILE})
_OWN = _FULL | _HANDLES | {errno.EIO, errno.EROFS, errno.ESTALE}


class OwnDisk(Retryable):
    """A disk of this machine is full or fails; it is tried again."""

    code = "own-disk"


def is_own(error: BaseException) -> bool:
    """Whether *error* says that our own disk or our limits, and not what was read, is at fault."""
    return isinstance(error, OSError) and error.errno in _OWN


def own(error: OSError, place: Path | None = None, needs: int | None = None) -> OwnDisk:
    """*error* in words: what is full, what is free there, how many bytes were still to come.

    *place*: the file or folder it happened at, if that is known.
    """
    place = place or Path(str(error.filename or tempfile.tempdir or "."))
    if error.errno in _HANDLES:
        return OwnDisk(
            f"Too many files are open here ({error.strerror}).",
            hint="Raise the limit (`ulimit -n`, LimitNOFILE=); what waits for it is tried again.",
        )
    if error.errno in _FULL:
        return _full(place, needs)
    return OwnDisk(
        f"{place.name} in {place.parent} cannot be read or written: {error.strerror or error}.",
        hint="Look at that disk and its rights; what waits for it is tried again.",
    )


def _full(place: Path, needs: int | None) -> OwnDisk:
    there = place if place.is_dir() else place.parent
    more = f" and {needs:,} more are needed" if needs else ""
    try:
        free = f"{shutil.disk_usage(there).free:,} bytes are free"
    except OSError:
        free = "no room is left"
    return OwnDisk(
        f"The disk at {there} is full: {free}{more}.",
        hint="Make room, or let TMPDIR name another disk; what waits for it is tried again.",
    )


@contextlib.contextmanager
def ours(place: Path, needs: int | None = None) -> Iterator[None]:
    """What the block does to a file of ours fails as `OwnDisk`, whatever the system says of it."""
    try:
        yield
    except OSError as error:
        raise own(error, place, needs) from error


def room(place: Path, needs: int) -> None:
    """Raise `OwnDisk` unless *needs* bytes are free where *place* is to be: a disk that is filled to
    the last byte stops everything else on it too."""
    with ours(place):
        if shutil.disk_usage(place.parent).free < needs:
            raise _full(place, needs)


class Sink:
    """A file of ours that is being written; its faults are `OwnDisk`."""

    def __init__(self, file: FileIO, path: Path, needs: int | None) -> None:
        self._file, self._path, self._needs = file, path, needs
        self.written = 0
        """Bytes so far."""

    def write(self, data: bytes | memoryview) -> None:
        """Write all of *data*."""
        left = memoryview(data)
        while left:
            still = None if self._needs is None else max(0, self._needs - self.written)
            with ours(self._path, still or len(left)):
                done = self._file.write(left) or 0
            self.written += done
            left = left[done:]


@contextlib.contextmanager
def sink(path: Path, needs: int | None = None) -> Iterator[Sink]:
    """A new file at *path*; *needs* is how many bytes will be written, where that is known.

    Only what the disk does becomes `OwnDisk`; other faults of the block go through as they are.
    """
    if needs is not None:
        room(path, needs)
    with ours(path, needs):
        file = FileIO(path, "w")
    try:
        yield Sink(file, path, needs)
    except BaseException:
        with contextlib.suppress(OSError):
            file.close()
        raise
    with ours(path):  # some file systems say only now that they are full
        file.close()


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """A folder of our own, in the system's place for temporary files (TMPDIR)."""
    path, lock = _locked()
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        os.close(lock)


def sweep() -> None:
    """Remove the folders whose processes ended without it, were they ours."""
    try:
        place = _place()
    except OwnDisk:
        return  # nowhere to write: whoever needs a folder says so
    for path in place.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):  # another user's, or just gone
            lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(lock)


def _place() -> Path:
    """The system's place for temporary files. Python tries them by writing, and says of full ones that
    there are none."""
    try:
        return Path(tempfile.gettempdir())
    except FileNotFoundError as error:
        raise OwnDisk(
            f"No folder for temporary files can be written to ({error.strerror}).",
            hint="Make room there, or let TMPDIR name another; what waits for it is tried again.",
        ) from error


def _locked() -> tuple[Path, int]:
    while True:
        place = _place()
        with ours(place / PREFIX):
            path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=place))
            try:
                lock = os.open(path, os.O_RDONLY)
            except FileNotFoundError:
                continue  # swept before it was locked: another
            except OSError:
                path.rmdir()
                raise
        with contextlib.suppress(OSError):  # a file system without locks: none is swept there
            fcntl.flock(lock, fcntl.LOCK_EX)
        if path.exists():
            return path, lock
        os.close(lock)
