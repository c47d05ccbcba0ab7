"""What surrounds every request: its id, its size limit, its one line in the log, the last net."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from safelight import logging

log = logging.get(__name__)

JSON_BYTES = 1024 * 1024
"""A request without files is a few hundred bytes; a megabyte is room enough."""
WEBHOOK_BYTES = 5 * 1024 * 1024
"""A training's object carries its logs, which reach megabytes."""

_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_QUIET = {"/healthz", "/readyz"}
_STATE = "safelight"


def request_id_of(scope: Scope) -> str:
    """The id of the request that *scope* belongs to."""
    return str(scope[_STATE]["request_id"])


def note(scope: Scope, **facts: Any) -> None:
    """Have these stand in the request's line in the log."""
    scope[_STATE].update(facts)


class Around:
    """ASGI middleware around the whole app.

    `surprise` makes the response for an error nobody foresaw. A body over its limit is a 413; a
    route that takes files lifts the limit for itself (`unlimited`) and keeps its own.
    """

    def __init__(self, app: ASGIApp, *, surprise: Callable[[Request, Exception], Response]) -> None:
        self._app = app
        self._surprise = surprise

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state = scope[_STATE] = {"request_id": _request_id(scope)}
        started = time.monotonic()
        status = 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *message["headers"],
                    (b"x-request-id", state["request_id"].encode()),
                ]
                if scope["path"].startswith("/v1/") and not _says_who_keeps_it(message):
                    message["headers"].append((b"cache-control", b"no-store"))
            await send(message)

        with logging.bound(request_id=state["request_id"]):
            limited = _Limited(receive, scope)
            try:
                await self._app(scope, limited, sending)
            except Exception as error:
                response = self._surprise(Request(scope), error)
                if status == 0:
                    await response(scope, receive, sending)
                else:
                    raise  # half an answer is out: the connection has to be cut
            finally:
                _line(scope, status, time.monotonic() - started)


def _says_who_keeps_it(message: Message) -> bool:
    """Else no cache does: answers are about persons, and hold links that need no key."""
    return any(name.lower() == b"cache-control" for name, _ in message["headers"])


def unlimited(scope: Scope) -> None:
    """The route reads the body as it comes and keeps its own limit."""
    scope[_STATE]["unlimited"] = True


class _Limited:
    """`receive`, ended by a 413 once the body is past its limit."""

    def __init__(self, receive: Receive, scope: Scope) -> None:
        self._receive = receive
        self._scope = scope
        self._limit = WEBHOOK_BYTES if scope["path"].startswith("/webhooks/") else JSON_BYTES
        self._seen = 0

    async def __call__(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request" and not self._scope[_STATE].get("unlimited"):
            self._seen += len(message.get("body", b""))
            if self._seen > self._limit:
                raise HTTPException(413, f"the body is over {self._limit:,} bytes")
        return message


def _request_id(scope: Scope) -> str:
    """The caller's own id if it can stand in a log as it is, else one of ours."""
    given = next((v.decode("latin-1") for k, v in scope["headers"] if k == b"x-request-id"), "")
    return given if _ID.fullmatch(given) else uuid4().hex


def _line(scope: Scope, status: int, seconds: float) -> None:
    """The one line of the request: the path without its query, which may carry secrets."""
    say = log.debug if scope["path"] in _QUIET else log.info
    state = scope[_STATE]
    say(
        "request",
        method=scope["method"],
        path=scope["path"],
        status=status or 499,
        ms=round(seconds * 1000, 1),
        owner_id=state.get("owner_id"),
        request_id=state["request_id"],
        replayed=state.get("replayed"),
    )
