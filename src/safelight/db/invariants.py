"""What must hold at any time, asked of the tables: for the chaos run, and for whoever doubts."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from safelight.db.statements import statements
from safelight.db.transaction import Row, Tx

sql = statements("invariants")


def uncommitted(tx: Tx, ids: Sequence[UUID]) -> list[UUID]:
    """Those of *ids* that are not there for others to see."""
    seen = {row["id"] for row in tx.rows(sql.committed, {"ids": list(ids)})}
    return [id for id in ids if id not in seen]


def open_jobs(tx: Tx) -> list[Row]:
    """I1: jobs that have neither ended nor stand parked."""
    return tx.rows(sql.open_jobs)


def parked_jobs(tx: Tx) -> list[Row]:
    """What stands still until a person decides."""
    return tx.rows(sql.parked_jobs)


def overdue(tx: Tx, seconds: float) -> list[Row]:
    """I6: jobs that have been due for so long and that nobody works on."""
    return tx.rows(sql.overdue, {"seconds": seconds})


def waiting(tx: Tx) -> list[Row]:
    """I6: of each queue the claims ever made, the jobs held, and how long the oldest due one waits."""
    return tx.rows(sql.waiting)


def settles(tx: Tx) -> int:
    """I3: how many turns of jobs have been written to their end."""
    row = tx.row(sql.settles)
    assert row is not None
    return int(row["n"])


def at_work(tx: Tx, queue: str) -> list[str]:
    """The workers that hold jobs of *queue* now, as their leases name them."""
    return [row["lease_owner"] for row in tx.rows(sql.at_work, {"queue": queue})]


def newest_event(tx: Tx) -> int:
    """The number of the last event that concerns a subject: as long as it grows, things go on."""
    row = tx.row(sql.newest_event)
    assert row is not None
    return int(row["id"])


def broken_histories(tx: Tx) -> list[Row]:
    """I7: events that do not begin where the last one ended."""
    return tx.rows(sql.broken_histories)


def moves(tx: Tx) -> list[Row]:
    """I7: every kind of move that was made (noun, before, after)."""
    return tx.rows(sql.moves)


def stale_writes(tx: Tx) -> list[Row]:
    """I3: jobs settled under an old fence."""
    return tx.rows(sql.stale_writes)


def trainings(tx: Tx) -> list[Row]:
    """I2, I4: every training, its money, and the marks of its paid requests."""
    return tx.rows(sql.trainings)


def generations(tx: Tx) -> list[Row]:
    """I2, I4: every request for images, likewise."""
    return tx.rows(sql.generations)


def promised_objects(tx: Tx) -> list[Row]:
    """I5: what must be in the store (key None: nothing is on record for what succeeded)."""
    return tx.rows(sql.promised_objects)


def next_turn(tx: Tx, since: float) -> float | None:
    """Seconds from *since* (Unix) until a job's turn began or ended; None: none did."""
    row = tx.row(sql.next_turn, {"since": since})
    assert row is not None
    seconds: float | None = row["seconds"]
    return seconds


def terminate_backends(tx: Tx) -> int:
    """End every other session of this database."""
    return len(tx.rows(sql.terminate_backends))
