"""What a person removed and can have back, and what nothing may delete."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Recycled:
    """Something a person removed, and can have back until its window is over."""

    noun: str
    id: UUID
    subject_id: UUID
    name: str
    bytes: int | None
    removed_at: datetime


@dataclass(frozen=True, slots=True)
class Hold:
    """Something that nothing may delete, until the hold is released."""

    id: UUID
    noun: str
    noun_id: UUID
    reason: str
    placed_by: str
    placed_at: datetime
