"""Whether what the door stands on answers, asked with a deadline and never piled up."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait

from safelight.db import migrate
from safelight.domain.errors import SafelightError, SchemaBehind
from safelight.flow.context import Context

SECONDS = 2.0
"""A probe waits this long for an answer; a healthy store gives one in milliseconds."""

Check = Callable[[], None]


class Readiness:
    """Asks each dependency at most one question at a time.

    One that hangs keeps its thread until its own timeout; until then it counts as away, and no
    further question is asked of it.
    """

    def __init__(self, checks: dict[str, Check], *, seconds: float = SECONDS) -> None:
        self._checks = checks
        self._seconds = seconds
        self._pool = ThreadPoolExecutor(len(checks), thread_name_prefix="readiness")
        self._asked: dict[str, Future[None]] = {}
        self._lock = threading.Lock()

    def away(self) -> dict[str, str]:
        """Name → why, of those that do not answer."""
        with self._lock:
            for name, check in self._checks.items():
                if name not in self._asked:
                    self._asked[name] = self._pool.submit(check)
            asked = dict(self._asked)
        wait(asked.values(), self._seconds)
        with self._lock:
            for name, future in asked.items():
                if future.done() and self._asked.get(name) is future:
                    del self._asked[name]
        return {name: why for name, future in asked.items() if (why := self._why(future))}

    def _why(self, future: Future[None]) -> str | None:
        if not future.done():
            return f"no answer within {self._seconds:g} s"
        error = future.exception()
        if error is None:
            return None
        # Only our own errors are written for outsiders; a driver's may name hosts and users.
        return error.message if isinstance(error, SchemaBehind) else _short(error)

    def close(self) -> None:
        """Let go of the threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _short(error: BaseException) -> str:
    return error.code if isinstance(error, SafelightError) else type(error).__name__


def of_context(cx: Context) -> Readiness:
    """Readiness of the database (its schema too), the broker and the object store."""
    return Readiness(
        {
            # On a connection of its own: a pool that is busy is no database that is away.
            "database": lambda: migrate.require_current(cx.db.connector),
            "broker": cx.broker.ping,
            "store": lambda: _store(cx),
        }
    )


def _store(cx: Context) -> None:
    cx.tools.store.head("readyz")  # not there, and that is an answer
