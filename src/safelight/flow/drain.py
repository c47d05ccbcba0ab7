"""One slot of a process drains a queue while its jobs go quickly; the others wait for it to end.

Quick jobs cost less in one slot's batches, a commit for many, than in four slots' transactions. Slow
ones are carried out side by side, a slot each.
"""

from __future__ import annotations

import threading
import time

PACE = 0.02
"""Seconds between two batches of the slot that drains: what comes due within it shares a commit. A
batch that takes longer is not quick."""
PATIENCE = 5 * PACE
"""Seconds for which the other slots wait for the draining one's next batch: later, it is held up."""


class Drain:
    """Who drains the queue of this process. Shared by its slots."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._drainer: int | None = None
        self._since = 0.0

    def wait(self) -> None:
        """Return when no other slot drains the queue, or the one that does is held up."""
        with self._changed:
            while self._drainer not in (None, threading.get_ident()):
                left = self._since + PATIENCE - time.monotonic()
                if left <= 0:
                    return
                self._changed.wait(left)

    def proceed(self, *, quick: bool) -> bool:
        """This slot is about to take its next batch; *quick*: the last one was. False: another slot
        drains the queue, and sees what is due there."""
        me = threading.get_ident()
        with self._changed:
            if not quick:
                self._end(me)
                return True
            now = time.monotonic()
            if self._drainer in (None, me):
                self._drainer, self._since = me, now
                return True
            return now - self._since > PATIENCE

    def pace(self) -> None:
        """Let what comes due in these moments gather, if this slot drains the queue."""
        if self._drainer == threading.get_ident():
            time.sleep(max(0.0, self._since + PACE - time.monotonic()))

    def end(self) -> None:
        """This slot found nothing due, or its time is over."""
        with self._changed:
            self._end(threading.get_ident())

    def _end(self, me: int) -> None:
        if self._drainer == me:
            self._drainer = None
            self._changed.notify_all()
