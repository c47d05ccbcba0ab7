"""How long what is due waits in the quiet phase: what I6 is judged by."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from safelight.chaos.world import World
from safelight.db import invariants
from safelight.db.transaction import Row
from safelight.domain.errors import SafelightError

LIMIT_SECONDS = 5.0
"""With all workers up and nothing in the way, a due job is claimed within a second or two: a sweep, and
a turn. Past this nobody was told of it."""
SAMPLE_SECONDS = 0.5


class Waits:
    """The worst wait of each queue, of a due job while its workers had nothing at all to do.

    A wait counts from when the job was due, from when the queue's workers were last seen at work, or
    from when we began to look, whichever came last.
    """

    def __init__(self, now: float) -> None:
        self._since = now
        self._idle: dict[str, float] = {}
        self._claims: dict[str, int] = {}
        self._first: dict[str, int] = {}
        self.worst: dict[str, float] = {}

    @property
    def claims(self) -> int:
        """How many jobs were claimed meanwhile."""
        return sum(n - self._first[queue] for queue, n in self._claims.items())

    def look(self, now: float, queues: Iterable[Row]) -> None:
        """A sample: queue, claims (ever), held (now), due_seconds (of the oldest, 0: nothing is due)."""
        for row in queues:
            queue = row["queue"]
            self._first.setdefault(queue, row["claims"])
            if row["held"] or row["claims"] != self._claims.get(queue):
                self._idle[queue] = now
            self._claims[queue] = row["claims"]
            waited = min(row["due_seconds"], now - self._idle.get(queue, self._since))
            self.worst[queue] = max(self.worst.get(queue, 0.0), waited)

    def violations(self) -> list[str]:
        """Queues in which something waited too long."""
        return [
            f"{queue}: a due job waited {waited:.1f} s while nothing of its queue was worked on"
            for queue, waited in self.worst.items()
            if waited > LIMIT_SECONDS
        ]


@contextmanager
def sampling(world: World) -> Iterator[Waits]:
    """Look every half second while the block runs."""
    waits = Waits(time.monotonic())
    stop = threading.Event()

    def look() -> None:
        while not stop.wait(SAMPLE_SECONDS):
            try:
                with world.cx.db.transaction() as tx:
                    queues = invariants.waiting(tx)
            except SafelightError:
                continue  # it is the workers that are looked at; the next sample counts the wait
            waits.look(time.monotonic(), queues)

    thread = threading.Thread(target=look, name="waits", daemon=True)
    thread.start()
    try:
        yield waits
    finally:
        stop.set()
        thread.join()
