"""An object in the store, as a value."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object in the store: `bytes` is its size, `sha256` hex where the writer recorded it, `etag`
    the store's own mark of these bytes, where it gives one."""

    key: str
    bytes: int
    sha256: str | None = None
    modified_at: datetime | None = None
    etag: str | None = None


@dataclass(frozen=True, slots=True)
class UploadLink:
    """A URL that takes one PUT of so many bytes, with these headers, for *seconds* from now."""

    url: str
    headers: dict[str, str]
    seconds: int
