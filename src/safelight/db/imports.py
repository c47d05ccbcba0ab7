"""Imports: versions trained elsewhere, as producers ask for them."""

from __future__ import annotations

from uuid import UUID

from safelight.db.statements import statements
from safelight.db.transaction import Tx, into
from safelight.domain.ids import new_id
from safelight.domain.operations import Import

sql = statements("imports")


def add(
    tx: Tx,
    *,
    owner_id: UUID,
    subject_id: UUID,
    model: str,
    trigger_word: str | None,
    lora_scale: float,
    actor: str,
) -> Import:
    """It is asked for."""
    row = tx.row(
        sql.insert_import,
        {
            "id": new_id(),
            "owner_id": owner_id,
            "subject_id": subject_id,
            "model": model,
            "trigger_word": trigger_word,
            "lora_scale": lora_scale,
            "actor": actor,
        },
    )
    assert row is not None
    return into(Import, row)


def get(tx: Tx, id: UUID, owner_id: UUID | None = None) -> Import | None:
    """One import; with an owner, only if it is that owner's."""
    row = tx.row(sql.get_import, {"id": id, "owner_id": owner_id})
    return into(Import, row) if row else None


def find(
    tx: Tx,
    owner_id: UUID,
    *,
    subject_id: UUID | None = None,
    after: UUID | None = None,
    limit: int = 50,
) -> list[Import]:
    """The owner's imports, newest first, a page."""
    rows = tx.rows(
        sql.list_imports,
        {"owner_id": owner_id, "subject_id": subject_id, "after": after, "limit": limit},
    )
    return [into(Import, row) for row in rows]


def waiting(tx: Tx, subject_id: UUID, model: str) -> Import | None:
    """The same import, if it is under way."""
    row = tx.row(sql.waiting_import, {"subject_id": subject_id, "model": model})
    return into(Import, row) if row else None


def finish(
    tx: Tx, id: UUID, *, version_id: UUID | None = None, error: str | None = None, actor: str
) -> None:
    """It became a version, or failed with *error*."""
    tx.rows(sql.finish_import, {"id": id, "version_id": version_id, "error": error, "actor": actor})
