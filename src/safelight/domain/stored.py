"""An object in the store, as a value."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object in the store: `bytes` is its size, `sha256` hex where the writer recorded it."""

    key: str
    bytes: int
    sha256: str | None = None
    modified_at: datetime | None = None
