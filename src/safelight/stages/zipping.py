"""The zip that is trained on. The same entries, the same bytes."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from safelight import scratch


@dataclass(frozen=True, slots=True)
class ZipEntry:
    """A member of a zip: its name, and its bytes or the file that holds them."""

    name: str
    source: bytes | Path


def write_zip(target: Path, entries: Iterable[ZipEntry]) -> tuple[str, int]:
    """Write *entries* to a zip at *target*, in the order given; its sha256 (hex) and size in bytes.

    The same entries give the same bytes: one date, one permission, nothing deflated (a JPEG does not
    get smaller, and zlib's output differs between its versions).

    Raises:
        OwnDisk: our own disk is full or fails.
    """
    with scratch.ours(target), zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for entry in entries:
            info = zipfile.ZipInfo(entry.name, date_time=(1980, 1, 1, 0, 0, 0))
            info.create_system = 3  # Unix, wherever it is written
            info.external_attr = 0o100644 << 16
            data = entry.source if isinstance(entry.source, bytes) else entry.source.read_bytes()
            archive.writestr(info, data)
    with scratch.ours(target), target.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest(), file.tell()
