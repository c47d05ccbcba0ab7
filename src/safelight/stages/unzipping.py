"""A zip that we made, read back: what is in it, by hash. It may have been changed since.

`zipping.write_zip` stores its members as they are, so nothing that is compressed is ours, and a zip cannot
hold more than its own size: there is nothing to inflate.
"""

from __future__ import annotations

import hashlib
import struct
import zipfile
from collections import Counter
from io import FileIO
from pathlib import Path

from safelight import scratch

MAX_MEMBERS = 50_000
"""Two files a photo."""
MAX_DIRECTORY_BYTES = 4 * 1024 * 1024
"""Of the list of members, which is read in one piece: 50 bytes each."""
_CHUNK = 1024 * 1024
_FAULTS = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    OverflowError,
    struct.error,
)
"""What the library raises for what is wrong with a zip."""


class _Bounded(FileIO):
    """A file of which no more is read at once than a list of members may have: a zip says itself how
    long its own is, and the library believes it."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0:
            size = MAX_DIRECTORY_BYTES + 1
        elif size > MAX_DIRECTORY_BYTES:
            raise zipfile.BadZipFile("its list of members is too long")
        with scratch.ours(
            Path(str(self.name))
        ):  # else the library calls our disk's fault the zip's
            return self._all(size)

    def _all(self, size: int) -> bytes:
        return super().read(size) or b""


def members(path: Path) -> dict[str, str] | None:
    """Each member's name and the sha256 (hex) of its bytes, or a word that no hash equals; None: it does
    not hold together as a zip.

    Raises:
        OwnDisk: our own disk fails.
    """
    try:
        with _Bounded(path) as file, zipfile.ZipFile(file) as archive:
            infos = archive.infolist()
            size = path.stat().st_size
            # Members that lie over each other would be read again and again.
            if len(infos) > MAX_MEMBERS or sum(info.compress_size for info in infos) > size:
                return None
            found = {info.filename: _member(archive, info) for info in infos}
    except _FAULTS:
        return None
    except OSError as error:
        if scratch.is_own(error):
            raise scratch.own(error, path) from error
        return None  # a place in it that cannot be
    times = Counter(info.filename for info in infos)
    return {name: told if times[name] == 1 else "it is there twice" for name, told in found.items()}


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> str:
    if info.flag_bits & 1:
        return "it is encrypted"
    if info.compress_type != zipfile.ZIP_STORED:
        return "it is compressed"
    digest = hashlib.sha256()
    try:
        with archive.open(info) as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    except _FAULTS:
        return "its checksum does not fit"
    return digest.hexdigest()
