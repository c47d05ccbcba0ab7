"""Faults on demand. A test says what goes wrong, where, how often; the seed says when."""

from __future__ import annotations

import asyncio
import random
import threading
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

from fastapi.responses import JSONResponse, Response, StreamingResponse

from safelight.local.emulator.problems import NO_CREDIT, NOT_FOUND, Problem, throttled

Fault = dict[str, Any]
BEFORE = ("throttle", "credit", "refuse", "html", "hang")
AFTER = ("drop", "error", "slow")
DO: dict[str, tuple[str, ...]] = {
    "create_training": BEFORE + AFTER,
    "create_prediction": BEFORE + AFTER,
    "get": (*BEFORE, "drop", "missing", "null", "backwards"),
    "list": (*BEFORE, "drop", "null"),
    "cancel": BEFORE + AFTER,
    "delete_version": BEFORE,
    "delivery": (*BEFORE, "missing", "partial"),
    "webhook": ("lose", "double", "late", "early", "forge", "stale"),
    "run": ("fail", "abort", "vanish"),
}
"""Where a fault strikes → what it can do there.

Before anything is accepted: `throttle` (429; `retry_after` seconds, or `bare`: no header), `credit`
(402), `refuse` (`status`), `html` (a 502 page), `hang` (`seconds`). After it is: `drop` (the connection
is cut), `error` (a 500 page), `slow` (the answer comes `seconds` later). `missing`: 404. `null`: null
for an object. `backwards`: a run that goes on looks as if it had not started. `partial`: cut short.
Webhooks are lost, sent twice, `late` by `seconds` (so out of order), `early` (before the create is
answered), signed with another key, or with an old timestamp. Runs fail, are aborted, or vanish.
"""


class Faults:
    """A list of ``{"on": where, "do": what, ...}``.

    With `times` (default 1) a fault is used up from the front of the list; with `chance` it strikes
    that share of the requests, drawn from the seed.
    """

    def __init__(self) -> None:
        self._list: list[Fault] = []
        self._chance = random.Random(0)  # noqa: S311
        self._lock = threading.Lock()
        self.struck: Counter[str] = Counter()
        self.asked: Counter[str] = Counter()
        """How often each place was passed, whether a fault struck there or not."""

    def set(self, faults: list[Fault], seed: int | None = None) -> None:
        """From now on these, and no others. Problem 422 for one that is not known."""
        for fault in faults:
            if fault.get("do") not in DO.get(str(fault.get("on")), ()):
                raise Problem(422, f"There is no fault {fault!r}.")
        with self._lock:
            self._list = [dict(fault) for fault in faults]
            if seed is not None:
                self._chance = random.Random(seed)  # noqa: S311

    def take(self, where: str) -> Fault:
        """The fault that strikes here, or an empty one."""
        with self._lock:
            self.asked[where] += 1
            for fault in self._list:
                if fault["on"] == where and self._strikes(fault):
                    self.struck[f"{where} {fault['do']}"] += 1
                    return fault
        return {}

    def _strikes(self, fault: Fault) -> bool:
        if "chance" in fault:
            return self._chance.random() < float(fault["chance"])
        fault["times"] = fault.get("times", 1) - 1
        return bool(fault["times"] >= 0)


async def before(fault: Fault) -> None:
    """What goes wrong before anything is accepted."""
    match fault.get("do"):
        case "throttle":
            problem = throttled(float(fault.get("retry_after", 5)))
            if fault.get("bare"):
                problem.headers.clear()
                problem.body.pop("retry_after")
            raise problem
        case "credit":
            raise Problem(402, NO_CREDIT, title="Insufficient credit")
        case "refuse":
            raise Problem(int(fault.get("status", 503)), "fault", title="Fault")
        case "html":
            raise Page(502)
        case "missing":
            raise Problem(404, NOT_FOUND)
        case "hang":
            await asyncio.sleep(float(fault.get("seconds", 60)))
        case _:
            return


async def after(fault: Fault, answer: Response) -> Response:
    """What goes wrong once it is accepted: the answer is lost, late, or an error in its place."""
    match fault.get("do"):
        case "drop" | "partial":
            return StreamingResponse(_nothing(), 200, headers={"content-length": "1000"})
        case "error":
            return Page(500).response()
        case "null":
            return JSONResponse(None)
        case "slow":
            await asyncio.sleep(float(fault.get("seconds", 60)))
            return answer
        case _:
            return answer


class Page(Problem):
    """An answer of something in between: HTML, not JSON."""

    def __init__(self, status: int) -> None:
        super().__init__(status, "Bad Gateway" if status == 502 else "Internal Server Error")

    def response(self) -> Response:
        """The page."""
        html = f"<html><body><h1>{self.status} {self.body['detail']}</h1></body></html>"
        return Response(html, self.status, media_type="text/html")


async def _nothing() -> AsyncIterator[bytes]:
    """A body that ends before it was announced to: the server cuts the connection."""
    return
    yield b""
