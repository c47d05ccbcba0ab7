"""A worker's line to its broker: it outlives whatever comes over it.

Celery goes on after a lost connection, and ends for good after anything else. A Redis that fails over,
restarts or runs full answers with errors for a while (READONLY, UNBLOCKED, MASTERDOWN, OOM, MISCONF,
NOPERM), and whoever shares it can put what is no message into a queue. The worker makes its connection
anew then: a hint that is lost is sent again.
"""

from __future__ import annotations

import time
from typing import Any

from celery.worker import loops, state
from celery.worker.consumer import Consumer

from safelight import logging
from safelight.clients.broker import PASSING_ANSWERS

log = logging.get(__name__)

FIRST, LONGEST = 0.5, 5.0
"""Seconds before the connection is made anew, doubled each time: the broker is there, and answers the same
at once."""
CALM = 15.0
"""Seconds after which an answer is not taken as the same trouble going on."""


class UnreadableMessage(Exception):
    """What was in a queue is no message."""


_PASSING = (*PASSING_ANSWERS, UnreadableMessage)


class LastingConsumer(Consumer):  # type: ignore[misc]
    """Celery's consumer, to which an error that the broker answers is a connection that was lost."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.connection_errors: tuple[type[BaseException], ...] = (
            *self.connection_errors,
            *_PASSING,
        )
        self._pause = FIRST
        self._last = 0.0

    def loop(self, *args: Any) -> None:
        """Celery's event loop; what its transport cannot read is told apart from faults of ours."""
        run = loops.asynloop if self.hub else loops.synloop
        try:
            run(*args)
        except (ValueError, TypeError, LookupError) as error:
            log.error("hint.unreadable", error=f"{type(error).__name__}: {error}", exc_info=error)
            raise UnreadableMessage(str(error)) from error

    def on_connection_error_after_connected(self, exc: BaseException) -> None:
        """Celery's own; then a pause where the broker answered."""
        super().on_connection_error_after_connected(exc)
        self._rest(exc)

    def on_connection_error_before_connected(self, exc: BaseException) -> None:
        """The same for what is met while the connection is made."""
        super().on_connection_error_before_connected(exc)
        self._rest(exc)

    def _rest(self, exc: BaseException) -> None:
        if not isinstance(exc, _PASSING):
            return
        now = time.monotonic()
        self._pause = FIRST if now - self._last > CALM else min(2 * self._pause, LONGEST)
        while time.monotonic() < now + self._pause:
            state.maybe_shutdown()
            time.sleep(0.1)
        self._last = time.monotonic()
