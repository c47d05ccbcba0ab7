"""Pages by keyset: `?limit=&after=` in, `{items, next}` out. A page costs the same however deep it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

from fastapi import Depends, Query
from pydantic import BaseModel, Field

T = TypeVar("T")
R = TypeVar("R")

MAX_LIMIT = 200


class Page(BaseModel, Generic[T]):
    """Some of the things, and where the rest begins."""

    items: list[T]
    next: UUID | None = Field(
        description="Send it as `after` to get what follows; null: this was the last page."
    )


@dataclass(frozen=True, slots=True)
class Cut:
    """Which page is asked for."""

    limit: int
    after: UUID | None

    @property
    def one_more(self) -> int:
        """How many rows to read: one past the page tells whether there is another."""
        return self.limit + 1

    def of(self, rows: Sequence[R], show: Callable[[R], Any], id_of: Callable[[R], UUID]) -> Any:
        """The page out of up to `one_more` rows."""
        kept = rows[: self.limit]
        more = len(rows) > self.limit
        return Page[Any](items=[show(row) for row in kept], next=id_of(kept[-1]) if more else None)


def cut(
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT, description="How many at most.")] = 50,
    after: Annotated[UUID | None, Query(description="`next` of the page before.")] = None,
) -> Cut:
    """The page asked for."""
    return Cut(limit, after)


Paged = Annotated[Cut, Depends(cut)]
