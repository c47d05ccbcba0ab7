"""What the clock does: hint again at what is due, and start the periodic work of a slot."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from safelight import logging
from safelight.db import jobs, owners, ticks, webhooks
from safelight.db.transaction import Database, Tx
from safelight.domain.queues import Kind, Queue
from safelight.flow.retention import PERIODIC, WALKS

log = logging.get(__name__)

BATCH = 64
"""Hints a queue may hold: a backlog waits in Postgres, where it is ordered and counted, and not in the
broker. A hint says that something is due; whoever takes it works until nothing is."""
BLIND = 16
"""Hints a tick where the broker does not say how many it holds."""
EXPIRED = 1_000
"""Leases released a tick."""

Depths = Callable[[], Mapping[Queue, int]]


def sweep(db: Database, depths: Depths) -> int:
    """Release every lease that ran out, and see that the broker holds a hint for all that is due.

    *depths* tells how many hints each queue holds; what is missing is sent, up to `BATCH` in all.
    Where it cannot tell (the broker is away), `BLIND` hints are tried. Returns how many were sent.
    """
    with db.transaction() as tx:
        released = jobs.release_expired(tx, EXPIRED)
    if released:
        log.warning("sweep.leases_ran_out", jobs=released)
    held = _held(depths)
    sent = 0
    for queue in Queue:
        there = held.get(queue, 0) if held is not None else 0
        room = BATCH - there if held is not None else BLIND
        with db.transaction() as tx:
            due = jobs.due(tx, queue, BATCH)
            missing = max(0, min(room, len(due) - there))
            for job_id in due[:missing]:
                tx.hint(queue, job_id)
        sent += missing
    return sent


def _held(depths: Depths) -> Mapping[Queue, int] | None:
    try:
        return depths()
    except Exception as error:  # noqa: BLE001 (whatever the broker's library raises: it is away)
        log.debug("sweep.depths_unknown", error=str(error))
        return None


def periodic(db: Database, *, every: float, walk: float = 86400.0) -> list[Kind]:
    """Start the periodic work of this slot, unless another clock has: cleanup *every* so many
    seconds, a walk over store and provider each *walk*."""
    started: list[Kind] = []
    with db.transaction() as tx:
        periods = dict.fromkeys(PERIODIC, every) | dict.fromkeys(WALKS, walk)
        for kind, period in periods.items():
            if ticks.take_slot(tx, str(kind), period):
                jobs.add(tx, kind, actor="clock", unique_key=str(kind))
                started.append(kind)
        if ticks.take_slot(tx, "forget", 3600):
            _forget(tx)
    return started


def _forget(tx: Tx) -> None:
    ticks.forget_slots(tx)
    webhooks.forget(tx)
    owners.forget_idempotency_keys(tx)
