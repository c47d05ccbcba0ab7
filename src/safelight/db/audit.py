"""What the rows know of a version: everything it was made of and by."""

from __future__ import annotations

from uuid import UUID

from safelight.db.statements import statements
from safelight.db.transaction import Row, Tx

sql = statements("audit")


def provenance(tx: Tx, version_id: UUID) -> Row:
    """One version back to its photos, parameters, weights and approver: one row, one query."""
    row = tx.row(sql.provenance, {"version_id": version_id})
    assert row is not None  # asked for of versions that are there
    return row


def versions_of(tx: Tx, subject_id: UUID, owner_id: UUID) -> list[UUID]:
    """The ids of a subject's versions, newest first."""
    rows = tx.rows(sql.versions_of, {"subject_id": subject_id, "owner_id": owner_id})
    return [row["id"] for row in rows]


def drawn(
    tx: Tx, subject_id: UUID, owner_id: UUID, *, purpose: str = "request", limit: int = 100
) -> list[Row]:
    """What was lately drawn of a subject, newest first."""
    return tx.rows(
        sql.drawn,
        {"subject_id": subject_id, "owner_id": owner_id, "purpose": purpose, "limit": limit},
    )


def run(tx: Tx, id: UUID, owner_id: UUID) -> Row | None:
    """One training of this owner, by its id or by its version's, with its set and its weights."""
    return tx.row(sql.run, {"id": id, "owner_id": owner_id})
