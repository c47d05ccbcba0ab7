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
from safelight.db import webhooks
from safelight.domain.errors import Forbidden, NotFound
from safelight.flow.commands.nudges import nudge
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
    """Take the provider's word that something changed: the run that bears `?intent=` is looked at now.

    Not for producers: it is opened by the provider's signature, not by an API key.
    """
    body = await request.body()
    intent = request.query_params.get("intent")
    await run_in_threadpool(_nudge, cx, dict(request.headers), body, intent)


def _nudge(cx: Context, headers: Mapping[str, str], body: bytes, intent: str | None) -> None:
    provider = cx.tools.provider
    if not isinstance(provider, Signing):
        raise NotFound("This provider signs no webhooks.")
    try:
        provider.verify_webhook(headers, body)
    except Forbidden as error:
        log.warning("webhook.refused", error=error.message)
        raise Unauthorized(error.message) from error
    with cx.db.transaction() as tx:
        if not webhooks.take(tx, headers["webhook-id"]):
            log.info("webhook.replayed")
            return
        looked_at = nudge(tx, intent)
    log.debug("webhook.taken", looked_at=looked_at)
