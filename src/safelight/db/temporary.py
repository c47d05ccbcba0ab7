"""Objects that exist only for a while: noted before they are put, so that none is forgotten."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from safelight.db.statements import statements
from safelight.db.transaction import Tx

sql = statements("temporary")


def note(
    tx: Tx,
    key: str,
    *,
    purpose: str,
    seconds: float,
    subject_id: UUID | None = None,
    training_id: UUID | None = None,
) -> None:
    """The object *key* may go after *seconds*, once no open training needs it."""
    tx.run(
        sql.note,
        {
            "key": key,
            "purpose": purpose,
            "seconds": float(seconds),
            "subject_id": subject_id,
            "training_id": training_id,
        },
    )


def keep(tx: Tx, key: str) -> None:
    """The object is not temporary any more."""
    tx.run(sql.keep, {"key": key})


def forget(tx: Tx, keys: Sequence[str]) -> None:
    """They are deleted from the store."""
    tx.run(sql.forget, {"keys": list(keys)})
