"""The HTTP API under test: the app in this process, on real stores."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

import httpx
from anyio.from_thread import BlockingPortal, start_blocking_portal
from fastapi import FastAPI
from httpx import Response

from safelight.db import owners
from safelight.flow.commands import Actor
from safelight.flow.context import Context
from safelight.web.app import create_app

PROBLEM = "application/problem+json"


class Client:
    """Plain calls to an app in this process; threads may share it.

    (Starlette's own test client asks for a library that nothing else here needs.)
    """

    def __init__(self, app: FastAPI, portal: BlockingPortal) -> None:
        # Errors that leave the app are what a server would see: none should.
        transport = httpx.ASGITransport(app)
        self._client = httpx.AsyncClient(transport=transport, base_url="http://api.test")
        self._portal = portal

    def request(self, method: str, path: str, **more: Any) -> Response:
        return self._portal.call(partial(self._client.request, method, path, **more))

    def get(self, path: str, **more: Any) -> Response:
        return self.request("GET", path, **more)

    def post(self, path: str, **more: Any) -> Response:
        return self.request("POST", path, **more)


@contextmanager
def serving(app: FastAPI) -> Iterator[Client]:
    """The app, started; stopped after the block."""
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(app.router.lifespan_context(app)),
    ):
        yield Client(app, portal)


@dataclass(frozen=True)
class Door:
    """An owner's way in: requests carry its key."""

    client: Client
    owner_id: UUID
    key: str

    def request(self, method: str, path: str, **more: Any) -> Response:
        headers = {"Authorization": f"Bearer {self.key}", **more.pop("headers", {})}
        return self.client.request(method, path, headers=headers, **more)

    def get(self, path: str, **more: Any) -> Response:
        return self.request("GET", path, **more)

    def post(self, path: str, json: Any = None, **more: Any) -> Response:
        return self.request("POST", path, json=json, **more)

    def made(self, path: str, json: Any, status: int = 201) -> Any:
        """What a POST makes."""
        answer = self.post(path, json)
        assert answer.status_code == status, answer.text
        return answer.json()

    def subject(self, name: str = "luca", kind: str = "character", **more: Any) -> Any:
        return self.made("/v1/subjects", {"name": name, "kind": kind, **more})

    @property
    def actor(self) -> Actor:
        return Actor(self.owner_id, "test")


def door(cx: Context, client: Client, owner: str) -> Door:
    """A new key of *owner*, and the way in with it."""
    with cx.db.transaction() as tx:
        id = owners.ensure(tx, owner).id
        _, key = owners.add_key(tx, id, "tests", actor="test")
    return Door(client, id, key)


@contextmanager
def running(cx: Context) -> Iterator[Client]:
    """The API on this context, started."""
    with serving(create_app(cx, cx.settings)) as client:
        yield client


def assert_problem(answer: Response, status: int, code: str) -> dict[str, Any]:
    """The answer is this problem, complete; its body."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == PROBLEM
    body: dict[str, Any] = answer.json()
    assert body["type"] == f"urn:safelight:problem:{code}"
    assert body["status"] == status
    assert body["title"]
    assert body["detail"]
    assert body["request_id"] == answer.headers["x-request-id"]
    return body
