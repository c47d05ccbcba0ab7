"""A dataset's zip or manifest as it lies in the store, changed by whoever can: read back, by hash or not."""

from __future__ import annotations

import io
import random
import warnings
import zipfile
from pathlib import Path
from typing import Any

from benchmarks.mutants.changes import TEXTS, as_json, bytes_changed, number_changed, value_changed
from safelight.db.jsons import dumps
from safelight.domain.stored import StoredObject
from safelight.flow.audit import see

METHODS = (zipfile.ZIP_STORED,) * 4 + (zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)


def mutant(source: random.Random) -> bytes:
    """A zip; one in four is a manifest."""
    if source.random() < 0.25:
        return b"{" + _manifest(source)[1:]
    held = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(held, "w", source.choice(METHODS)) as archive:
        warnings.simplefilter("ignore")  # the same name twice
        for number in range(source.choice((0, 1, 4, 60))):
            name = f"{number:04d}.jpg"
            if source.random() < 0.1:
                name = source.choice(TEXTS) or "x"
            info = zipfile.ZipInfo(name.encode("utf-8", "replace").decode())
            info.compress_type = archive.compression
            archive.writestr(info, source.choice((b"", b"x" * 20, bytes(200_000))))
        archive.comment = source.choice((b"", b"x" * 60_000, b"PK\5\6" + bytes(18)))
    data = held.getvalue()
    if source.random() < 0.2:
        return bytes_changed(data, source)
    # The list of members, where every number is believed.
    begin = max(0, data.rfind(b"PK\1\2"))
    for _ in range(source.choice((0, 1, 1, 3))):
        data = data[:begin] + number_changed(data[begin:], source)
    return data


def _manifest(source: random.Random) -> bytes:
    photos: list[Any] = [
        {"photo_id": str(n), "sha256": "0" * 64, "caption": "photo of TOK", "crop": [0, 0, 9, 9]}
        for n in range(20)
    ]
    found: Any = {"number": 1, "profile": "likeness@v2", "photos": photos}
    for _ in range(source.choice((1, 2, 5))):
        found = value_changed(found, source)
    if source.random() < 0.1:
        return source.choice((b"[" * 100_000, b'{"a":' * 100_000, b"[" + b"[]," * 300_000 + b"[]]"))
    data = as_json(found)
    return bytes_changed(data, source) if source.random() < 0.3 else data


class _Store:
    """The store that has the file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def get_file(self, key: str, path: Path, **_: Any) -> StoredObject:
        """As the object store's client does."""
        path.write_bytes(self._path.read_bytes())
        return StoredObject(key, path.stat().st_size, "0" * 64)


def read(path: Path) -> str:
    """As the audit does."""
    with path.open("rb") as file:
        kind = "json" if file.read(1) == b"{" else "zip"
    store: Any = _Store(path)
    seen = see(store, "key", kind, path.parent)
    if kind == "json":
        dumps(seen.document)
        return "a document" if seen.document is not None else "no document"
    return "no zip" if seen.members is None else "a zip"
