"""How long a connection may take to ask: a request's head has seconds to be whole.

uvicorn waits for a head without end, so that a thousand connections that send half of one keep everybody
else out for as long as they like. A proxy in front sees to that too; this holds without one.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import ClassVar

from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

HEAD_SECONDS = 10.0
"""From the first byte of a request, or from the connection, until its head is whole."""
MOST_WAITING = 256
"""Connections that have not said what they want. One more, and the oldest of them is closed: whoever sends
a whole request at once is never that one."""


class PatientProtocol(H11Protocol):
    """uvicorn's own protocol, with an end to its patience."""

    head_seconds: ClassVar[float] = HEAD_SECONDS
    most_waiting: ClassVar[int] = MOST_WAITING
    waiting: ClassVar[OrderedDict[PatientProtocol, asyncio.TimerHandle]] = OrderedDict()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Somebody connected."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """And is gone."""
        self._waited()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Some bytes came."""
        super().data_received(data)
        if self._asking():
            self._waited()
        else:
            self._wait()

    def on_response_complete(self) -> None:
        """A request is answered; the next one, or a part of it, may be here already."""
        super().on_response_complete()
        half_a_head = self.conn.trailing_data[0] != b""
        if half_a_head and not self._asking():
            self._wait()

    def _asking(self) -> bool:
        """Whether a request is under way."""
        cycle: RequestResponseCycle | None = self.cycle  # None until the first request
        return not (cycle is None or cycle.response_complete)

    def _wait(self) -> None:
        if self.transport.is_closing() or self in self.waiting:
            return
        while len(self.waiting) >= self.most_waiting:
            oldest, timer = self.waiting.popitem(last=False)
            timer.cancel()
            oldest.transport.abort()
        self.waiting[self] = self.loop.call_later(self.head_seconds, self._give_up)

    def _waited(self) -> None:
        timer = self.waiting.pop(self, None)
        if timer is not None:
            timer.cancel()

    def _give_up(self) -> None:
        self.waiting.pop(self, None)
        self.transport.abort()
