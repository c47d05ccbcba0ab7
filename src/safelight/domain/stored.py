"""An object in the store, as a value."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

_MARKS = 6
"""Hashes and marks that an object keeps of what it was: those of the last three."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object in the store: `bytes` is its size, `sha256` hex where the writer recorded it, `etag`
    the store's own mark of these bytes, where it gives one. `before` is what it was until we replaced it
    ourselves: hashes and marks."""

    key: str
    bytes: int
    sha256: str | None = None
    modified_at: datetime | None = None
    etag: str | None = None
    before: tuple[str, ...] = ()

    def marks(self) -> tuple[str, ...]:
        """What an object that replaces this one has as its `before`."""
        return tuple(mark for mark in (*self.before, self.sha256, self.etag) if mark)[-_MARKS:]


@dataclass(frozen=True, slots=True)
class UploadLink:
    """A URL that takes one PUT of so many bytes, with these headers, for *seconds* from now."""

    url: str
    headers: dict[str, str]
    seconds: int
