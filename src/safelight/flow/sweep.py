"""What the clock does: hint again at what is due, and start the periodic work of a slot."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from safelight import logging
from safelight.db import jobs, owners
from safelight.db.transaction import Database, Tx
from safelight.domain.queues import Kind, Queue
from safelight.flow.retention import PERIODIC

log = logging.get(__name__)

BATCH = 500
"""Hints a queue may hold before the sweep adds no more: a backlog waits in Postgres, where it is
ordered and counted, and not in the broker."""


Depths = Callable[[], Mapping[Queue, int]]


def sweep(db: Database, depths: Depths, *, grace: float) -> int:
    """Hint at every due job, and at every job whose lease ran out, that has no fresh hint.

    *depths* tells how many hints each queue holds; where it cannot (the broker is away), a batch is
    tried all the same. Returns how many hints were sent.
    """
    held = _held(depths)
    sent = 0
    for queue in Queue:
        room = BATCH - held.get(queue, 0)
        if room > 0:
            with db.transaction() as tx:
                sent += jobs.sweep(tx, queue, grace=grace, limit=room)
    with db.transaction() as tx:
        expired = jobs.sweep_expired(tx, grace=grace, limit=BATCH)
    if expired:
        log.warning("sweep.leases_ran_out", jobs=expired)
    return sent + expired


def _held(depths: Depths) -> Mapping[Queue, int]:
    try:
        return depths()
    except Exception as error:  # noqa: BLE001 (whatever the broker's library raises: it is away)
        log.debug("sweep.depths_unknown", error=str(error))
        return {}


def periodic(db: Database, *, every: float) -> list[Kind]:
    """Start the periodic cleanup of this slot, unless another clock has."""
    started: list[Kind] = []
    with db.transaction() as tx:
        for kind in PERIODIC:
            if jobs.take_slot(tx, str(kind), every):
                jobs.add(tx, kind, actor="clock", unique_key=str(kind))
                started.append(kind)
        if jobs.take_slot(tx, "forget", 3600):
            _forget(tx)
    return started


def _forget(tx: Tx) -> None:
    jobs.forget_slots(tx)
    owners.forget_idempotency_keys(tx)
