"""Whose request it is: an API key leads to its owner, and everything is bounded by that owner."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request, Security
from fastapi.concurrency import run_in_threadpool
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer
from structlog.contextvars import bind_contextvars

from safelight.db import owners
from safelight.domain.errors import Forbidden
from safelight.flow.commands import Actor, actor_name
from safelight.flow.commands.photos import subject_for_photos
from safelight.flow.commands.subjects import get_subject
from safelight.flow.context import Context
from safelight.web.problems import Unauthorized
from safelight.web.requests import note
from safelight.web.turns import Turns

_bearer = HTTPBearer(
    auto_error=False, description="`Authorization: Bearer slk_...`, an API key of yours."
)
_header = APIKeyHeader(
    name="X-API-Key", auto_error=False, description="The same key, for clients that prefer it so."
)


def context(request: Request) -> Context:
    """The open connections of this process."""
    cx: Context = request.app.state.cx
    return cx


Cx = Annotated[Context, Depends(context)]


def _holder(cx: Context, key: str) -> owners.KeyHolder | None:
    with cx.db.transaction() as tx:
        return owners.of_key(tx, key)


def scope_of(method: str, path: str, *, confirms: bool = False) -> str:
    """What a key must be allowed for this request: `read`, `write`, or `erase` for what is gone for good.
    *confirms*: with the word or count that is typed for nothing else, as where a campaign purges."""
    deletes = method == "DELETE" and (path == "/v1/owner" or path.startswith("/v1/subjects/"))
    if deletes or confirms:
        return "erase"
    return "read" if method in ("GET", "HEAD") else "write"


async def caller(
    request: Request,
    cx: Cx,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
    header: Annotated[str | None, Security(_header)],
) -> AsyncIterator[Actor]:
    """The owner whose key was sent, for as long as the request is worked on.

    It is a coroutine so that what it binds to the log holds for the rest of the request: a thread
    would bind it to a copy.

    Raises:
        Unauthorized: no key, or one that opens nothing. Forbidden: one that opens something else.
        TooMany: as many requests of this owner's as are worked on at once.
    """
    key = bearer.credentials if bearer else header
    if not key:
        raise Unauthorized(
            "No API key was sent.",
            hint="Send `Authorization: Bearer slk_...`, or `X-API-Key`. `safelight keys create` makes one.",
        )
    holder = await run_in_threadpool(_holder, cx, key)
    if holder is None:
        raise Unauthorized(
            "This API key opens nothing: it is mistyped, was revoked, or its time is over."
        )
    owner = holder.owner
    ids = {"owner_id": str(owner.id), "key_id": str(holder.key_id)}
    note(request.scope, **ids)
    bind_contextvars(**ids)
    confirms = "confirm" in request.query_params
    needed = scope_of(request.method, request.url.path, confirms=confirms)
    if needed not in holder.scopes:
        raise Forbidden(
            f"This key may {' and '.join(sorted(holder.scopes))}, and not {needed}.",
            hint=f"`safelight keys create LABEL --may {needed}` makes one that may.",
        )
    turns: Turns = request.app.state.turns
    async with turns.of(owner.id):
        yield Actor(owner.id, actor_name(owner.name, holder.key_id))


Who = Annotated[Actor, Depends(caller)]


def subject_there(subject_id: UUID, cx: Cx, who: Who) -> None:
    """There is such a subject: asked before anything of the request is looked at, or a byte is taken."""
    with cx.db.transaction() as tx:
        get_subject(tx, who, subject_id)


SubjectThere = Depends(subject_there)


def photos_may_come(subject_id: UUID, cx: Cx, who: Who) -> None:
    """The same, and consent is on record where it is a real person."""
    with cx.db.transaction() as tx:
        subject_for_photos(tx, who, subject_id)


PhotosMayCome = Depends(photos_may_come)


def v1(kind: str, id: UUID) -> str:
    """The path of one thing."""
    return f"/v1/{kind}/{id}"
