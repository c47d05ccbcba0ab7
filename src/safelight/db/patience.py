"""A connection that gives up on an answer that never comes.

A link can die without a word: bytes are taken, and nothing is answered. The server's own limits do not
reach us then, TCP's timers only where nothing takes the bytes, and psycopg waits for ever.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any, TypeVar

import psycopg

T = TypeVar("T")

STATEMENT_SECONDS = 30
"""The server ends a statement of ours after so long."""
ANSWER_SECONDS = STATEMENT_SECONDS + 5.0
"""So what is not answered by now will not be."""


class PatientConnection(psycopg.Connection[Any]):
    """Raises OperationalError, and is closed, where nothing came for `answer_seconds`."""

    answer_seconds = ANSWER_SECONDS

    def wait(self, gen: Generator[Any, Any, T], *arguments: Any, **more: Any) -> T:
        """As psycopg's, with an end."""
        return super().wait(self._until_tired(gen), *arguments, **more)

    def _until_tired(self, gen: Generator[Any, Any, T]) -> Generator[Any, Any, T]:
        heard = time.monotonic()
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if ready:
                    heard = time.monotonic()
                elif time.monotonic() - heard > self.answer_seconds:
                    self.pgconn.finish()
                    raise psycopg.OperationalError(
                        f"the server has not answered for {self.answer_seconds:g} s"
                    )
                wanted = gen.send(ready)
        except StopIteration as done:
            result: T = done.value
            return result
