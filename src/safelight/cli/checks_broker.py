"""The doctor at the broker: a hint goes through it as every hint does, and the limits' server answers."""

from __future__ import annotations

from collections.abc import Iterator

from safelight.cli.verdicts import Check
from safelight.clients import broker_health
from safelight.clients.broker import Broker
from safelight.domain import broker_address
from safelight.settings import Settings

NOEVICTION = "`CONFIG SET maxmemory-policy noeviction`, in an instance of its own."


def look(settings: Settings) -> Iterator[Check]:
    """A hint sent, counted and taken; what the server says of itself; the provider's limits."""
    url = settings.broker_url.get_secret_value()
    address = broker_address.read(url)
    broker = Broker(url)
    try:
        seconds = broker.try_out()
    finally:
        broker.close()
    said = f"{address.where}: a hint went through it in {seconds * 1000:.0f} ms"
    if address.kind == "amqp":
        yield Check("broker", "ok", said)
        yield from _limits(settings, amqp=True)
        return
    yield from _server(url, said)
    yield from _limits(settings, amqp=False)


def _server(url: str, said: str) -> Iterator[Check]:
    server = broker_health.ask(url)
    if server is None:
        remark = "its user may not ask for INFO: memory and version were not looked at"
        yield Check("broker", "ok", f"{said}; {remark}")
        return
    said = f"{said}, {server.name} {server.version}"
    if server.too_old:
        yield Check("broker", "fail", said, "Safelight needs Redis 6.2 or later, or Valkey.")
    elif server.evicts:
        yield Check("broker", "warn", f"{said}, evicts by {server.policy}", NOEVICTION)
    elif server.full:
        remedy = "Raise maxmemory, or find what fills it: hints alone are a few kilobytes."
        yield Check("broker", "warn", f"{said}, {server.used_share:.0%} full", remedy)
    else:
        yield Check("broker", "ok", said)


def _limits(settings: Settings, *, amqp: bool) -> Iterator[Check]:
    if settings.limits_url is not None:
        broker_health.ping(settings.limits_url.get_secret_value())
        yield Check("limits", "ok", "SAFELIGHT_LIMITS_URL answers")
    elif amqp:
        yield Check(
            "limits",
            "warn",
            "the provider's rate limits are not shared: each process takes a quarter of them",
            "Past four processes, set SAFELIGHT_LIMITS_URL to a Redis or Valkey.",
        )
