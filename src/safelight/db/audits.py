"""Audits that read every object of a subject, as producers ask for them."""

from __future__ import annotations

from uuid import UUID

from safelight.db.statements import statements
from safelight.db.transaction import Tx, into, jsonb
from safelight.domain.ids import new_id
from safelight.domain.nouns import Json
from safelight.domain.operations import Audit

sql = statements("audits")

KEEP = 5
"""Audits of a subject that stay beside a new one: each holds every link of every version."""


def add(tx: Tx, *, owner_id: UUID, subject_id: UUID, actor: str) -> Audit:
    """It is asked for."""
    row = tx.row(
        sql.insert_audit,
        {
            "id": new_id(),
            "owner_id": owner_id,
            "subject_id": subject_id,
            "keep": KEEP,
            "actor": actor,
        },
    )
    assert row is not None
    return into(Audit, row)


def get(tx: Tx, id: UUID, owner_id: UUID | None = None) -> Audit | None:
    """One audit; with an owner, only if it is that owner's."""
    row = tx.row(sql.get_audit, {"id": id, "owner_id": owner_id})
    return into(Audit, row) if row else None


def waiting(tx: Tx, subject_id: UUID) -> Audit | None:
    """The subject's audit that is under way."""
    row = tx.row(sql.waiting_audit, {"subject_id": subject_id})
    return into(Audit, row) if row else None


def finish(
    tx: Tx, id: UUID, *, result: Json | None = None, error: str | None = None, actor: str
) -> None:
    """What was found, or *error*."""
    tx.rows(sql.finish_audit, {"id": id, "result": jsonb(result), "error": error, "actor": actor})
