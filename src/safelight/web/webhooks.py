"""The provider's webhooks: a nudge to look, never a source of truth.

A body is verified and then dropped. Whatever it says, the watch asks the provider itself, so one
that is lost, doubled, late or forged changes nothing but when we look.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool

from safelight import logging
from safelight.db import jobs
from safelight.domain.errors import Forbidden, NotFound
from safelight.domain.queues import Kind
from safelight.flow.context import Context
from safelight.web.access import Cx
from safelight.web.problems import Unauthorized, documented

log = logging.get(__name__)
router = APIRouter(prefix="/webhooks", tags=["webhooks"])


@runtime_checkable
class Signing(Protocol):
    """A provider that signs its webhooks."""

    def verify_webhook(self, headers: Mapping[str, str], body: bytes) -> None:
        """Raise Forbidden unless it signed this body lately."""
        ...


@router.post("/replicate", status_code=204, responses=documented(401, 413, 503))
async def replicate(request: Request, cx: Cx) -> None:
    """Take the provider's word that something changed: everything in flight is looked at now.

    Not for producers: it is opened by the provider's signature, not by an API key.
    """
    body = await request.body()
    await run_in_threadpool(_nudge, cx, dict(request.headers), body)


def _nudge(cx: Context, headers: Mapping[str, str], body: bytes) -> None:
    provider = cx.tools.provider
    if not isinstance(provider, Signing):
        raise NotFound("This provider signs no webhooks.")
    try:
        provider.verify_webhook(headers, body)
    except Forbidden as error:
        log.warning("webhook.refused", error=error.message)
        raise Unauthorized(error.message) from error
    with cx.db.transaction() as tx:
        due = [kind for kind in _WATCHES if jobs.make_due(tx, str(kind))]
    log.debug("webhook.taken", watches=[str(kind) for kind in due])


_WATCHES = (Kind.WATCH_TRAININGS, Kind.WATCH_GENERATIONS)
