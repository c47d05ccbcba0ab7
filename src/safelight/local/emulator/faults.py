"""Faults on demand, drawn at one place of each request. A test says what goes wrong, where, how often."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Any

from fastapi.responses import Response, StreamingResponse

from safelight.local.emulator.problems import Problem, throttled


class Faults:
    """A list of ``{"on": route, "do": what, "times": n, ...}``; each is used up from the front.

    `on`: create_training, create_prediction, get, list, delete_version. `do`: `throttle`
    (`retry_after` seconds), `refuse` (`status`), before anything is accepted; `drop` (the
    connection is cut) and `error` (500), after it is; `hang` (`seconds`) before it is looked at.
    """

    def __init__(self) -> None:
        self._list: list[dict[str, Any]] = []
        self._lock = threading.Lock()

    def set(self, faults: list[dict[str, Any]]) -> None:
        """From now on these, and no others."""
        with self._lock:
            self._list = [dict(fault) for fault in faults]

    def take(self, route: str) -> dict[str, Any] | None:
        """The fault this request meets, if any."""
        with self._lock:
            for fault in self._list:
                if fault["on"] == route and fault.get("times", 1) > 0:
                    fault["times"] = fault.get("times", 1) - 1
                    return fault
        return None

    async def before(self, fault: dict[str, Any] | None) -> None:
        """What goes wrong before anything is accepted."""
        match (fault or {}).get("do"):
            case "throttle":
                raise throttled(float((fault or {}).get("retry_after", 5)))
            case "refuse":
                raise Problem(int((fault or {}).get("status", 503)), "fault", title="Fault")
            case "hang":
                await asyncio.sleep(float((fault or {}).get("seconds", 60)))
            case _:
                return

    @staticmethod
    def after(fault: dict[str, Any] | None, answer: Response) -> Response:
        """What goes wrong once it is accepted: the answer is lost, or an error in its place."""
        match (fault or {}).get("do"):
            case "drop":
                return StreamingResponse(_nothing(), 201, headers={"content-length": "1000"})
            case "error":
                return Response("<html>Internal Server Error</html>", 500, media_type="text/html")
            case _:
                return answer


async def _nothing() -> AsyncIterator[bytes]:
    """A body that ends before it was announced to: the server cuts the connection."""
    return
    yield b""
