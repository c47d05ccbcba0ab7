"""Comparing the store with the rows, a stretch of keys at a time: two sorted lists, merged.

Neither list is ever held whole: what is compared are the next keys of each, up to the last that both
have told of, and the walk goes on behind it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from safelight.domain.stored import StoredObject

OURS = ("datasets/", "images/", "photos/", "temporary/", "weights/")
"""Where our objects lie. What lies elsewhere in the bucket is reported, and never deleted."""


@dataclass(frozen=True, slots=True)
class Walk:
    """A walk over the store or the provider: where it stands, and its totals so far."""

    id: UUID
    place: str
    cursor: str | None
    seen: int
    bytes: int
    unknown: int
    missing: int
    started_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class Stray:
    """What a walk found: `unknown` here, or `missing` there."""

    place: str
    name: str
    what: str
    noun: str | None
    noun_id: UUID | None
    bytes: int | None
    detail: str | None
    found_at: datetime


@dataclass(frozen=True, slots=True)
class KnownKey:
    """A key that a row names. `expected`: its object has to be there."""

    key: str
    noun: str
    noun_id: UUID | None
    expected: bool


@dataclass(frozen=True, slots=True)
class Stretch:
    """What the comparison of one stretch of keys came to."""

    upto: str | None
    """The walk goes on behind this key; None: it has come to the end."""
    seen: int
    bytes: int
    unknown: tuple[StoredObject, ...]
    """In the store, and in no row."""
    missing: tuple[KnownKey, ...]
    """In a row, and not in the store."""


def compare(objects: Sequence[StoredObject], known: Sequence[KnownKey], *, limit: int) -> Stretch:
    """Compare the next *objects* of the store with the next *known* keys, both in byte order.

    A list of *limit* entries may go on; a shorter one has ended.
    """
    ends = [found[-1].key.encode() for found in (list(objects), list(known)) if len(found) >= limit]
    end = min(ends) if ends else None

    def within(key: str) -> bool:
        return end is None or key.encode() <= end

    here = [item for item in objects if within(item.key)]
    there = {item.key for item in here}
    named = {item.key for item in known}
    return Stretch(
        upto=end.decode() if end is not None else None,
        seen=len(here),
        bytes=sum(item.bytes for item in here),
        unknown=tuple(item for item in here if item.key not in named),
        missing=tuple(
            item for item in known if item.expected and within(item.key) and item.key not in there
        ),
    )
