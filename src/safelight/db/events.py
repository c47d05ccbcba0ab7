"""What happened, in order: read by histories, pages and audits."""

from __future__ import annotations

from uuid import UUID

from safelight.db.statements import statements
from safelight.db.transaction import Tx, into
from safelight.domain.nouns import Event

sql = statements("events")


def history(tx: Tx, noun_id: UUID, *, limit: int = 1000) -> list[Event]:
    """What happened to one thing."""
    rows = tx.rows(sql.history, {"noun_id": noun_id, "limit": limit})
    return [into(Event, row) for row in rows]


def of_training(tx: Tx, id: UUID, *, limit: int = 1000) -> list[Event]:
    """What happened to a training, its jobs, its version and its previews."""
    rows = tx.rows(sql.history_of_training, {"id": id, "limit": limit})
    return [into(Event, row) for row in rows]
