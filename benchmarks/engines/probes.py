"""Single measurements of our engine: claim, sweep, hints, heartbeat."""

from __future__ import annotations

from typing import Any

from benchmarks.engines import safelight_worker
from safelight import config
from safelight.clients.broker import Broker
from safelight.db.transaction import Database
from safelight.domain.ids import new_id
from safelight.flow.context import Context
from safelight.flow.heartbeat import Heartbeat

NOTHING: Any = None


def context(database_url: str, broker_url: str) -> Context:
    """What a producer has open."""
    settings = config.load(
        {
            "DATABASE_URL": database_url,
            "BROKER_URL": broker_url,
            "REPLICATE_API_TOKEN": "r8_none",
            "S3_BUCKET": "bench",
        }
    )
    broker = Broker(broker_url)
    db = Database(database_url, broker.send)
    return Context(settings, db, NOTHING, broker, Heartbeat(db), "bench")


def enqueue(cx: Context) -> None:
    """One training: its first job."""
    with cx.db.transaction() as tx:
        safelight_worker.add(tx, 0, new_id(), "bench")


def run(_url: str, _cx: Context) -> dict[str, Any]:
    """All of them."""
    return {}
