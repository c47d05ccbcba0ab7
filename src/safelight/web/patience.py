"""How long a connection may take to ask: a request's head has seconds to be whole.

uvicorn waits for a head without end, so that a thousand connections that send half of one keep everybody
else out for as long as they like. A proxy in front sees to that too; this holds without one.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import ClassVar

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

HEAD_SECONDS = 10.0
"""From the first byte of a request, or from the connection, until its head is whole."""
REST_SECONDS = 10.0
REST_BYTES = 8 * 1024 * 1024
"""What is let come and go of a body whose request is answered already: who sends it reads the answer last."""
MOST_WAITING = 256
"""Connections that have not said what they want. One more, and the oldest of them is closed: whoever sends
a whole request at once is never that one."""
BACKLOG = 256
"""Connections the system keeps until they are looked at; so many are taken at a time."""


class PatientProtocol(H11Protocol):
    """uvicorn's own protocol, with an end to its patience."""

    head_seconds: ClassVar[float] = HEAD_SECONDS
    rest_seconds: ClassVar[float] = REST_SECONDS
    most_waiting: ClassVar[int] = MOST_WAITING
    waiting: ClassVar[OrderedDict[PatientProtocol, asyncio.TimerHandle]] = OrderedDict()
    _rest = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Somebody connected."""
        super().connection_made(transport)
        self._wait(self.head_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        """And is gone."""
        self._waited()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Some bytes came."""
        if self._answered_early():
            self._rest += len(data)
            if self._rest > REST_BYTES:
                self.transport.abort()
                return
        super().data_received(data)
        self._look()

    def on_response_complete(self) -> None:
        """A request is answered; the next one, or a part of it, may be here already."""
        super().on_response_complete()
        self._rest = 0
        self._look()

    def _look(self) -> None:
        """Wait for what is to come, with an end; uvicorn's own timer sees to a connection at rest."""
        cycle: RequestResponseCycle | None = self.cycle  # None until the first request
        if self._answered_early():
            self._wait(self.rest_seconds)
        elif cycle is None or (cycle.response_complete and self.conn.trailing_data[0]):
            self._wait(self.head_seconds)
        else:
            self._waited()

    def _answered_early(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle
        done = cycle is not None and cycle.response_complete
        return done and self.conn.their_state is h11.SEND_BODY

    def _wait(self, seconds: float) -> None:
        if self.transport.is_closing() or self in self.waiting:
            return
        while len(self.waiting) >= self.most_waiting:
            oldest, timer = self.waiting.popitem(last=False)
            timer.cancel()
            oldest.transport.abort()
        self.waiting[self] = self.loop.call_later(seconds, self._give_up)

    def _waited(self) -> None:
        timer = self.waiting.pop(self, None)
        if timer is not None:
            timer.cancel()

    def _give_up(self) -> None:
        self.waiting.pop(self, None)
        self.transport.abort()
