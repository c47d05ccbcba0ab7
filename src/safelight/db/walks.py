"""Walks over the store and the provider: where they stand, and what they found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from safelight.db.statements import statements
from safelight.db.transaction import Tx, into
from safelight.domain.ids import new_id
from safelight.domain.stored import StoredObject
from safelight.domain.walk import OURS, KnownKey, Stray, Walk

sql = statements("walks")


def start(tx: Tx, place: str) -> tuple[UUID, str | None]:
    """The walk of *place* that is under way, or a new one: its id, and the cursor it goes on behind."""
    row = tx.row(sql.open_walk, {"id": new_id(), "place": place})
    assert row is not None
    return row["id"], row["cursor"]


def known_keys(tx: Tx, after: str, limit: int) -> list[KnownKey]:
    """The next keys that rows name, in byte order."""
    rows = tx.rows(sql.known_keys, {"after": after, "limit": limit})
    return [into(KnownKey, row) for row in rows]


def report_unknown(tx: Tx, walk_id: UUID, found: Sequence[StoredObject]) -> int:
    """Objects no row knows: reported, and noted as orphans where they are ours; how many."""
    if not found:
        return 0
    return len(
        tx.rows(
            sql.report_unknown,
            {
                "walk_id": walk_id,
                "keys": [item.key for item in found],
                "sizes": [item.bytes for item in found],
                "ours": [item.key.startswith(OURS) for item in found],
            },
        )
    )


def report_missing(tx: Tx, walk_id: UUID, found: Sequence[KnownKey]) -> int:
    """Rows whose object is gone; how many."""
    if not found:
        return 0
    return len(
        tx.rows(
            sql.report_missing,
            {
                "walk_id": walk_id,
                "keys": [item.key for item in found],
                "nouns": [item.noun for item in found],
                "ids": [item.noun_id for item in found],
            },
        )
    )


def forget_found(tx: Tx, walk_id: UUID, after: str, upto: str | None) -> None:
    """What earlier walks reported within this stretch and this one did not."""
    tx.run(sql.forget_found, {"walk_id": walk_id, "after": after, "upto": upto})


def advance(
    tx: Tx,
    walk_id: UUID,
    cursor: str | None,
    *,
    seen: int,
    bytes: int = 0,
    unknown: int = 0,
    missing: int = 0,
) -> Walk:
    """The walk goes on behind *cursor*; None: it has ended. Its totals so far."""
    row = tx.row(
        sql.advance,
        {
            "id": walk_id,
            "cursor": cursor,
            "seen": seen,
            "bytes": bytes,
            "unknown": unknown,
            "missing": missing,
        },
    )
    assert row is not None
    return into(Walk, row)


def last(tx: Tx) -> list[Walk]:
    """The walk under way and the last that ended, of each place."""
    return [into(Walk, row) for row in tx.rows(sql.last_walks)]


def strays(tx: Tx, *, limit: int) -> Iterable[Stray]:
    """What the walks found, page by page."""
    place, after = "", ""
    while rows := tx.rows(sql.list_strays, {"place": place, "after": after, "limit": limit}):
        page = [into(Stray, row) for row in rows]
        yield from page
        place, after = page[-1].place, page[-1].name


def next_model(tx: Tx, after: str) -> str | None:
    """The next model at the provider that a row of ours names."""
    row = tx.row(sql.next_model, {"after": after})
    return row["model"] if row else None


def report_remote(tx: Tx, walk_id: UUID, listed: Mapping[str, str]) -> int:
    """Versions the provider lists (``model:version`` → what is known of it): those no row knows."""
    return len(
        tx.rows(
            sql.report_remote,
            {"walk_id": walk_id, "names": list(listed), "details": list(listed.values())},
        )
    )


def next_drawing(tx: Tx, after: UUID, limit: int) -> list[tuple[UUID, str, str]]:
    """The next versions that may still draw: id, model and version at the provider."""
    rows = tx.rows(sql.next_drawing, {"after": after, "limit": limit})
    return [(row["id"], row["model"], row["version"]) for row in rows]


def report_lost(tx: Tx, walk_id: UUID, ids: Sequence[UUID]) -> int:
    """Versions that may still draw, and that the provider does not have; how many."""
    return len(tx.rows(sql.report_lost, {"walk_id": walk_id, "ids": list(ids)})) if ids else 0


def forget_remote(tx: Tx, walk_id: UUID) -> None:
    """What earlier walks reported of the provider and this one did not."""
    tx.run(sql.forget_remote, {"walk_id": walk_id})


def walked_since(tx: Tx, place: str) -> datetime | None:
    """When the last walk of *place* that came to its end was begun."""
    row = tx.row(sql.walked_since, {"place": place})
    return row["at"] if row else None
