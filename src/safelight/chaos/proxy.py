"""A TCP proxy whose links can be made half-open, slow, reset, cut in mid-answer, or refused."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CHUNK = 65536
SLOW_SECONDS = 0.25
"""Added to each chunk of a slow link."""


@dataclass(frozen=True)
class Target:
    """Where a proxy leads: a port on this machine, or a Unix socket."""

    port: int = 0
    path: Path | None = None


class _Connection:
    """One connection through the proxy: two sockets, and whether it is stalled."""

    def __init__(self, writers: tuple[asyncio.StreamWriter, asyncio.StreamWriter]) -> None:
        self.writers = writers
        self.stalled = False

    def abort(self) -> None:
        """Reset both sides."""
        for writer in self.writers:
            with contextlib.suppress(OSError, AttributeError):
                found = writer.get_extra_info("socket")
                if found.family != socket.AF_UNIX:
                    found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()


class Proxy:
    """Listens on a free port and forwards. Its methods may be called from any thread."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._connections: set[_Connection] = set()
        self._slow = self._cut = False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._thread.start()
        self._server: asyncio.Server | None = None
        self.port = 0
        self.up()

    def up(self) -> None:
        """Take connections and forward as if nothing had been. What is stalled stays stalled."""
        self._slow = self._cut = False
        if self._server is None:
            self._call(self._listen())

    def down(self) -> None:
        """Refuse new connections and reset those there are."""
        self._call(self._close())

    def half_open(self) -> None:
        """The connections there are carry nothing any more, without a word; new ones work."""
        for connection in tuple(self._connections):
            connection.stalled = True

    def slow(self) -> None:
        """Every chunk takes a while."""
        self._slow = True

    def cut(self) -> None:
        """From now on a connection is reset when the answer to a request comes."""
        self._cut = True

    def reset(self) -> None:
        """Reset the connections there are; new ones work."""
        self._loop.call_soon_threadsafe(self._abort_all)

    def close(self) -> None:
        """End it."""
        self._call(self._close())
        self._call(self._end_tasks())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    async def _end_tasks(self) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0.05)  # what was aborted is closed in the loop's next turns

    def _call(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        self._abort_all()

    def _abort_all(self) -> None:
        for connection in tuple(self._connections):
            connection.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if self._target.path is not None:
                there, back = await asyncio.open_unix_connection(str(self._target.path))
            else:
                there, back = await asyncio.open_connection("127.0.0.1", self._target.port)
        except OSError:
            writer.transport.abort()
            return
        connection = _Connection((writer, back))
        self._connections.add(connection)
        # Ended with the proxy, it ends without a word.
        with contextlib.suppress(asyncio.CancelledError):
            await self._carry(connection, (reader, back), (there, writer))

    async def _carry(
        self,
        connection: _Connection,
        onward: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        backward: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        try:
            await asyncio.gather(
                self._pump(connection, *onward, answer=False),
                self._pump(connection, *backward, answer=True),
            )
        finally:
            self._connections.discard(connection)
            connection.abort()

    async def _pump(
        self,
        connection: _Connection,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        answer: bool,
    ) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while data := await reader.read(CHUNK):
                if connection.stalled:
                    continue  # read, and never delivered: the other side hears nothing
                if self._slow:
                    await asyncio.sleep(SLOW_SECONDS)
                if answer and self._cut:
                    connection.abort()
                    return
                writer.write(data)
                await writer.drain()
        if not connection.stalled:
            with contextlib.suppress(OSError, RuntimeError):
                writer.write_eof()
