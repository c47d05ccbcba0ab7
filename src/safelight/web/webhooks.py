"""The provider's webhooks: a nudge to look, never a source of truth.

A body is verified and then dropped. Whatever it says, the watch asks the provider itself, so one
that is lost, doubled, late or forged changes nothing but when we look.

Anybody may knock here, so what costs nothing comes first: the headers' form and age, whether the secret is
known at all, and how many are inside. Those that are let in share a few threads of their own.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol, runtime_checkable

import anyio
import anyio.to_thread
from fastapi import APIRouter, Request
from starlette.requests import ClientDisconnect

from safelight import logging
from safelight.db import webhooks
from safelight.domain.errors import Forbidden, NotFound
from safelight.domain.webhooks import HEADERS, read_headers
from safelight.flow.commands.nudges import nudge
from safelight.flow.context import Context
from safelight.web.access import Cx
from safelight.web.problems import Busy, NotReady, Unauthorized, documented

log = logging.get(__name__)
router = APIRouter(prefix="/webhooks", tags=["webhooks"])

VERIFIED_AT_ONCE = 2
"""Threads that verify and write, of the forty that all requests share: ten thousand trainings in flight
end at eight a second, and one takes milliseconds."""
INSIDE = 32
"""So many wait for their turn; one more is told to come again."""
SECRET_SECONDS = 1.0
"""How long one waits for the secret, where it is being asked for; it holds no thread meanwhile."""
BODY_SECONDS = 10.0
"""A training's object with its log is a megabyte."""
SAID_EVERY_SECONDS = 10.0
"""How often refused ones stand in the log, with their number."""


@runtime_checkable
class Signing(Protocol):
    """A provider that signs its webhooks."""

    def learn_webhook_secret(self) -> None:
        """Have the secret asked for in the background, if it is not known."""
        ...

    def webhook_secret_wait(self) -> float:
        """Seconds until the secret may be known; 0: it is."""
        ...

    def verify_webhook(self, headers: Mapping[str, str], body: bytes) -> None:
        """Raise Forbidden unless it signed this body lately."""
        ...


class Gate:
    """How many webhooks are inside, and how many were refused; made in the event loop that serves."""

    def __init__(self) -> None:
        self.threads = anyio.CapacityLimiter(VERIFIED_AT_ONCE)
        self._inside = 0
        self._refused = 0
        self._said_at = 0.0

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Inside while the block runs. Busy: there are too many."""
        if self._inside >= INSIDE:
            raise Busy(f"{INSIDE} webhooks are being looked at.", after=1.0)
        self._inside += 1
        try:
            yield
        finally:
            self._inside -= 1

    def refuse(self, error: Forbidden) -> Unauthorized:
        """The answer to one that is none; a flood of them is a few lines in the log."""
        self._refused += 1
        if time.monotonic() - self._said_at > SAID_EVERY_SECONDS:
            log.warning("webhook.refused", error=error.message, times=self._refused)
            self._refused, self._said_at = 0, time.monotonic()
        return Unauthorized(error.message)


def prepare(cx: Context) -> None:
    """Have the signing secret asked for before the first webhook comes."""
    if isinstance(cx.tools.provider, Signing):
        cx.tools.provider.learn_webhook_secret()


@router.post("/replicate", status_code=204, responses=documented(401, 413, 429, 503))
async def replicate(request: Request, cx: Cx) -> None:
    """Take the provider's word that something changed: the run that bears `?intent=` is looked at now.

    Not for producers: it is opened by the provider's signature, not by an API key.
    """
    gate: Gate = request.app.state.webhooks
    try:
        headers = _once_each(request)
        read_headers(headers, time.time())
    except Forbidden as error:
        raise gate.refuse(error) from error
    provider = cx.tools.provider
    if not isinstance(provider, Signing):
        raise NotFound("This provider signs no webhooks.")
    intent = request.query_params.get("intent")
    with gate.entered():
        await _until_known(provider)
        try:
            body = await _body(request)
            await anyio.to_thread.run_sync(
                _nudge, cx, provider, headers, body, intent, limiter=gate.threads
            )
        except Forbidden as error:
            raise gate.refuse(error) from error


def _once_each(request: Request) -> dict[str, str]:
    """The headers that are signed. One that is there twice could be read as either."""
    found: dict[str, str] = {}
    for name in HEADERS:
        values = request.headers.getlist(name)
        if len(values) > 1:
            raise Forbidden(f"The webhook has {len(values)} headers {name}.")
        if values:
            found[name] = values[0]
    return found


async def _body(request: Request) -> bytes:
    try:
        with anyio.fail_after(BODY_SECONDS):
            return await request.body()
    except TimeoutError:
        raise Forbidden(f"The webhook's body did not come within {BODY_SECONDS:g} s.") from None
    except ClientDisconnect:
        raise Forbidden("The webhook broke off.") from None


async def _until_known(provider: Signing) -> None:
    until = time.monotonic() + SECRET_SECONDS
    while wait := provider.webhook_secret_wait():
        if wait > SECRET_SECONDS or time.monotonic() > until:
            raise NotReady("The provider's signing secret is not known yet.", after=wait)
        await anyio.sleep(0.05)


def _nudge(
    cx: Context, provider: Signing, headers: Mapping[str, str], body: bytes, intent: str | None
) -> None:
    provider.verify_webhook(headers, body)
    with cx.db.transaction() as tx:
        if not webhooks.take(tx, headers["webhook-id"]):
            log.info("webhook.replayed")
            return
        looked_at = nudge(tx, intent)
    log.debug("webhook.taken", looked_at=looked_at)
