"""A connection that gives up on an answer that never comes.

A link can die without a word: bytes are taken, and nothing is answered. The server's own limits do not
reach us then, TCP's timers only where nothing takes the bytes, and psycopg waits for ever. Connections
that were at rest when it happened look as good as ever, so those are asked for a sign of life first.
"""

from __future__ import annotations

import select
import time
from collections.abc import Generator
from typing import Any, Protocol, Self, TypeVar

import psycopg
from psycopg_pool import ConnectionPool

T = TypeVar("T")

STATEMENT_SECONDS = 30
"""The server ends a statement of ours after so long."""
ANSWER_SECONDS = STATEMENT_SECONDS + 5.0
"""So what is not answered by now will not be."""
REST_SECONDS = 0.5
"""A connection that rested for longer may have died meanwhile; under load none does, and a round trip more is
nothing to who comes once a second."""
SIGN_SECONDS = 3.0
"""A sign of life costs the server nothing: it comes at once or not at all."""


class Silent(psycopg.OperationalError):
    """The server was asked and does not answer."""


class Maker(Protocol):
    """Makes a connection that is fit for what lies on the way."""

    def connect(self) -> PatientConnection: ...


class PatientConnection(psycopg.Connection[Any]):
    """Raises Silent, and is closed, where nothing came for `answer_seconds`."""

    answer_seconds = ANSWER_SECONDS
    begins_with = b""
    """Statements that every transaction begins with, where settings do not outlive one."""
    _heard = float("inf")

    @classmethod
    def connect(cls, conninfo: str = "", *, through: Maker | None = None, **more: Any) -> Self:  # type: ignore[override]
        """As psycopg's; *through*: as that makes it, for a pool that asks a class for connections."""
        if through is None:
            return super().connect(conninfo, **more)
        found = through.connect()
        assert isinstance(found, cls)
        return found

    def wait(self, gen: Generator[Any, Any, T], *arguments: Any, **more: Any) -> T:
        """As psycopg's, with an end."""
        answer = super().wait(self._until_tired(gen), *arguments, **more)
        self._heard = time.monotonic()
        return answer

    def check(self) -> None:
        """Raise OperationalError unless the server is there. It is asked only after a rest, or where
        there is something to read: a connection at rest has nothing, unless the server said goodbye."""
        goodbye = select.poll()
        goodbye.register(self.fileno(), select.POLLIN)
        if time.monotonic() - self._heard < REST_SECONDS and not goodbye.poll(0):
            return
        usual, self.answer_seconds = self.answer_seconds, min(SIGN_SECONDS, self.answer_seconds)
        try:
            ConnectionPool.check_connection(self)
        finally:
            self.answer_seconds = usual

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
                    raise Silent(f"the server has not answered for {self.answer_seconds:g} s")
                wanted = gen.send(ready)
        except StopIteration as done:
            result: T = done.value
            return result
