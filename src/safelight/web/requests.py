"""What surrounds every request: its id, its size limit, its one line in the log, the last net."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Mapping, Sequence
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
BODY_SECONDS = 30.0
"""For a body without files to arrive, all of it."""
IDLE_SECONDS = 30.0
"""Between two pieces of an upload."""
UPLOAD_SECONDS = 3600.0
"""For a whole upload: a gigabyte over a slow line."""

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
        # HEAD is a GET whose body stays here: balancers and link checkers ask so.
        if head := scope["method"] == "HEAD":
            scope = {**scope, "method": "GET"}

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *message["headers"],
                    *_always(scope, message["headers"], state),
                ]
            elif head and message["type"] == "http.response.body":
                message["body"] = b""
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


def _always(
    scope: Scope, said: Sequence[tuple[bytes, bytes]], state: Mapping[str, Any]
) -> list[tuple[bytes, bytes]]:
    """The headers of every answer. What is under `/v1` holds somebody's data and links that are secrets:
    no cache keeps it."""
    headers = [
        (b"x-request-id", str(state["request_id"]).encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"no-referrer"),
    ]
    if scope["path"].startswith("/v1/") and not any(name == b"cache-control" for name, _ in said):
        headers.append((b"cache-control", b"no-store"))
    return headers


def unlimited(scope: Scope) -> None:
    """The route reads the body as it comes and keeps its own limit of bytes."""
    scope[_STATE]["unlimited"] = True


class _Limited:
    """`receive`, ended by a 413 once the body is past its limit, and by a 408 if it does not come. What is
    left of a body after its answer is the connection's matter (`web/patience.py`)."""

    def __init__(self, receive: Receive, scope: Scope) -> None:
        self._receive = receive
        self._scope = scope
        self._limit = WEBHOOK_BYTES if scope["path"].startswith("/webhooks/") else JSON_BYTES
        self._seen = 0
        self._began = time.monotonic()
        headers = dict(scope["headers"])
        length = headers.get(b"content-length", b"0")
        self._unread = b"transfer-encoding" in headers or length.strip(b"0") != b""

    async def __call__(self) -> Message:
        message = await self._in_time()
        if message["type"] == "http.request" and not self._scope[_STATE].get("unlimited"):
            self._seen += len(message.get("body", b""))
            if self._seen > self._limit:
                raise HTTPException(413, f"the body is over {self._limit:,} bytes")
        return message

    async def _in_time(self) -> Message:
        """The next message, or a 408: neither a piece of the body nor the whole may be long in coming."""
        if not self._unread:
            return (
                await self._receive()
            )  # the body is here; what may come is that the client leaves
        now = time.monotonic()
        if self._scope[_STATE].get("unlimited"):
            end = min(self._began + UPLOAD_SECONDS, now + IDLE_SECONDS)
        else:
            end = self._began + BODY_SECONDS
        try:
            async with asyncio.timeout(max(0.0, end - now)):
                message = await self._receive()
        except TimeoutError:
            raise HTTPException(408, "the body did not arrive in time") from None
        self._unread = message["type"] == "http.request" and message.get("more_body", False)
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
        key_id=state.get("key_id"),
        request_id=state["request_id"],
        replayed=state.get("replayed"),
    )
