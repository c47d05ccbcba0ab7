"""How many requests of one owner are worked on at once: the others wait in turn, and keep no thread.

A process has forty threads and sixteen database connections for requests of all owners. Who sends
hundreds at a time has them done, and does not keep everybody else waiting for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID

from safelight.domain.errors import Retryable

AT_ONCE = 8
"""Half of the connections there are: what is quick is through in milliseconds all the same."""
WAIT_SECONDS = 15.0


class TooMany(Retryable):
    """Too many requests of yours are under way."""

    code = "too-many-requests"
    status = 429


@dataclass(slots=True)
class _Queue:
    free: asyncio.Semaphore
    inside: int = 0


@dataclass(slots=True)
class Turns:
    """The requests under way of each owner, in one process."""

    at_once: int = AT_ONCE
    wait_seconds: float = WAIT_SECONDS
    _of: dict[UUID, _Queue] = field(default_factory=dict)

    @asynccontextmanager
    async def of(self, owner_id: UUID) -> AsyncIterator[None]:
        """A turn of this owner. Raises TooMany where none came free in time."""
        queue = self._of.setdefault(owner_id, _Queue(asyncio.Semaphore(self.at_once)))
        queue.inside += 1
        try:
            try:
                async with asyncio.timeout(self.wait_seconds):
                    await queue.free.acquire()
            except TimeoutError:
                raise TooMany(
                    f"{self.at_once} requests of yours are worked on at once, and {queue.inside} are "
                    f"here; none ended within {self.wait_seconds:g} s.",
                    hint="Send fewer at a time.",
                    after=self.wait_seconds,
                ) from None
            try:
                yield
            finally:
                queue.free.release()
        finally:
            queue.inside -= 1
            if not queue.inside:
                del self._of[owner_id]
