"""What a person removed and can have back, and what is on hold."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from safelight.db.statements import statements
from safelight.db.transaction import Row, Tx, into
from safelight.domain.ids import new_id
from safelight.domain.recycled import Hold, Recycled

sql = statements("recycling")

_REMOVE: Mapping[str, str] = {"image": sql.remove_image, "version": sql.remove_version}
_RESTORE: Mapping[str, str] = {
    "photo": sql.restore_photo,
    "image": sql.restore_image,
    "version": sql.restore_version,
}


def remove(tx: Tx, noun: str, id: UUID, owner_id: UUID, *, actor: str) -> bool:
    """Take out an image or a version; False: there is none that can be."""
    row = tx.row(_REMOVE[noun], {"id": id, "owner_id": owner_id, "actor": actor})
    return row is not None


def restore(tx: Tx, noun: str, id: UUID, owner_id: UUID, *, actor: str) -> bool:
    """Have it back; False: it was not removed, or the sweep has it."""
    row = tx.row(_RESTORE[noun], {"id": id, "owner_id": owner_id, "actor": actor})
    return row is not None


def recycled(
    tx: Tx, owner_id: UUID, *, after: UUID | None = None, limit: int = 50
) -> list[Recycled]:
    """What can be had back, newest first, a page."""
    found = tx.rows(sql.list_recycled, {"owner_id": owner_id, "after": after, "limit": limit})
    return [into(Recycled, row) for row in found]


def noun_of(tx: Tx, id: UUID, owner_id: UUID) -> str | None:
    """What an id of this owner's names, of what can be held."""
    row = tx.row(sql.owned, {"id": id, "owner_id": owner_id})
    return row["noun"] if row else None


def place_hold(
    tx: Tx, owner_id: UUID, noun: str, noun_id: UUID, *, reason: str, actor: str
) -> Hold | None:
    """Hold it; None: it is held already."""
    row = tx.row(
        sql.place_hold,
        {
            "id": new_id(),
            "owner_id": owner_id,
            "noun": noun,
            "noun_id": noun_id,
            "reason": reason,
            "actor": actor,
        },
    )
    return into(Hold, row) if row else None


def release_hold(tx: Tx, id: UUID, owner_id: UUID, *, actor: str) -> Hold | None:
    """Release the hold of this id, or on the thing of this id; None: there is none in force."""
    row: Row | None = tx.row(sql.release_hold, {"id": id, "owner_id": owner_id, "actor": actor})
    return into(Hold, row) if row else None


def holds(tx: Tx, owner_id: UUID, *, after: UUID | None = None, limit: int = 50) -> list[Hold]:
    """The holds in force, newest first, a page."""
    found = tx.rows(sql.list_holds, {"owner_id": owner_id, "after": after, "limit": limit})
    return [into(Hold, row) for row in found]
