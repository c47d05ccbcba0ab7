"""Erasures: what is to go, what went, and the statement that says so."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from uuid import UUID

from safelight.db.statements import statements
from safelight.db.transaction import Row, Tx, into, jsonb
from safelight.domain.ids import new_id
from safelight.domain.nouns import Json
from safelight.domain.operations import Erasure, OpenJob, PaidInFlight

sql = statements("erasures")


def _erasure(row: Row | None) -> Erasure | None:
    return into(Erasure, row) if row else None


def mark_subject(tx: Tx, subject_id: UUID, owner_id: UUID) -> str | None:
    """From now on the subject is gone for every door. Its name; None: it is not there."""
    row = tx.row(sql.mark_subject, {"subject_id": subject_id, "owner_id": owner_id})
    return row["name"] if row else None


def mark_owner(tx: Tx, owner_id: UUID) -> str | None:
    """From now on the owner can make nothing new. Its name; None: there is none."""
    row = tx.row(sql.mark_owner, {"owner_id": owner_id})
    return row["name"] if row else None


def add(
    tx: Tx,
    *,
    owner_id: UUID,
    subject_id: UUID | None,
    reason: str,
    asked_by: str,
    parent_id: UUID | None = None,
) -> Erasure:
    """An erasure is asked for."""
    row = tx.row(
        sql.insert_erasure,
        {
            "id": new_id(),
            "owner_id": owner_id,
            "subject_id": subject_id,
            "parent_id": parent_id,
            "reason": reason,
            "asked_by": asked_by,
        },
    )
    assert row is not None
    return into(Erasure, row)


def get(tx: Tx, id: UUID, owner_id: UUID | None = None) -> Erasure | None:
    """One erasure; with an owner, only if it is that owner's."""
    return _erasure(tx.row(sql.get_erasure, {"id": id, "owner_id": owner_id}))


def lock(tx: Tx, id: UUID) -> Erasure | None:
    """One erasure, locked until the transaction ends."""
    return _erasure(tx.row(sql.lock_erasure, {"id": id}))


def open_of(tx: Tx, owner_id: UUID, subject_id: UUID | None) -> Erasure | None:
    """The erasure under way of a subject, or of the owner as a whole."""
    return _erasure(tx.row(sql.open_erasure, {"owner_id": owner_id, "subject_id": subject_id}))


def find(
    tx: Tx,
    owner_id: UUID | None,
    *,
    parent_id: UUID | None = None,
    after: UUID | None = None,
    limit: int = 50,
) -> list[Erasure]:
    """Erasures, newest first, a page."""
    rows = tx.rows(
        sql.list_erasures,
        {"owner_id": owner_id, "parent_id": parent_id, "after": after, "limit": limit},
    )
    return [into(Erasure, row) for row in rows]


def move(
    tx: Tx, id: UUID, before: str, after: str, *, actor: str, plan: Json | None = None
) -> None:
    """To the next state, with what it has to know after the rows are gone."""
    tx.rows(
        sql.move_erasure,
        {"id": id, "before": before, "after": after, "actor": actor, "plan": jsonb(plan)},
    )


def remember(tx: Tx, id: UUID, plan: Json) -> None:
    """What it has to know after the rows are gone."""
    tx.run(sql.remember, {"id": id, "plan": jsonb(plan)})


def finish(
    tx: Tx, id: UUID, *, statement: Json, signature: str, public_key: str, actor: str
) -> None:
    """The statement stands."""
    tx.rows(
        sql.finish_erasure,
        {
            "id": id,
            "statement": jsonb(statement),
            "signature": signature,
            "public_key": public_key,
            "actor": actor,
        },
    )


def amend(tx: Tx, id: UUID, *, statement: Json, signature: str, public_key: str) -> None:
    """The statement says what the later look found."""
    tx.run(
        sql.amend_erasure,
        {
            "id": id,
            "statement": jsonb(statement),
            "signature": signature,
            "public_key": public_key,
        },
    )


def open_jobs(tx: Tx, subject_id: UUID) -> list[OpenJob]:
    """The subject's jobs that have not ended, locked."""
    return [into(OpenJob, row) for row in tx.rows(sql.lock_open_jobs, {"subject_id": subject_id})]


def paid_in_flight(tx: Tx, subject_id: UUID) -> list[PaidInFlight]:
    """What the provider may be running for the subject."""
    rows = tx.rows(sql.paid_in_flight, {"subject_id": subject_id})
    return [into(PaidInFlight, row) for row in rows]


def subjects_to_erase(tx: Tx, owner_id: UUID, *, limit: int) -> list[UUID]:
    """Subjects of the owner that no erasure has begun with."""
    return [
        row["id"] for row in tx.rows(sql.subjects_to_erase, {"owner_id": owner_id, "limit": limit})
    ]


def subjects_left(tx: Tx, owner_id: UUID) -> int:
    """How many subjects the owner still has."""
    row = tx.row(sql.subjects_left, {"owner_id": owner_id})
    return int(row["n"]) if row else 0


def rows_of(tx: Tx, *, subject_id: UUID | None, owner_id: UUID) -> list[tuple[str, Json]]:
    """Every row that hangs on the subject (else on the owner): table, content."""
    what = (sql.show_subject, subject_id) if subject_id else (sql.show_owner, owner_id)
    return [(row["relation"], row["content"]) for row in tx.rows(what[0], {"id": what[1]})]


def delete_rows(tx: Tx, *, subject_id: UUID | None, owner_id: UUID) -> dict[str, int]:
    """Delete them all, and the events about them: rows by table."""
    what = (sql.delete_subject, subject_id) if subject_id else (sql.delete_owner, owner_id)
    return {row["relation"]: row["rows"] for row in tx.rows(what[0], {"id": what[1]})}


def shared_models(tx: Tx, models: Sequence[str], subject_id: UUID) -> set[str]:
    """Those of *models* that other subjects use."""
    rows = tx.rows(sql.shared_models, {"models": list(models), "subject_id": subject_id})
    return {row["model"] for row in rows}


def tables(tx: Tx) -> list[tuple[str, int]]:
    """Every table that can hold a word of somebody's, and its size in blocks."""
    return [(row["relation"], row["blocks"]) for row in tx.rows(sql.tables)]


def text_of_blocks(tx: Tx, table: str, first: int, last: int) -> list[tuple[int, str]]:
    """What the rows of each block say, in lower case. *table*: as `tables` names it, quoted."""
    statement = sql.text_of_blocks.replace("/*table*/", table)
    rows = tx.rows(statement, {"first": first, "last": last})
    return [(row["block"], row["content"]) for row in rows]


def rows_naming(
    tx: Tx,
    table: str,
    block: int,
    *,
    texts: Sequence[str],
    words: Sequence[str],
    owner_id: UUID,
    subject_id: UUID | None,
    remove: bool,
) -> tuple[int, int]:
    """How many rows of a block hold one of *texts* anywhere or one of *words* whole. A slow look: it
    is for blocks that are known to.

    First those that are nobody's, or the erased owner's own without hanging on a subject that stays
    (deleted, with *remove*); second those of another owner or subject, which stay in any case.
    """
    row = tx.row(
        sql.rows_naming,
        {
            "relation": table,
            "first": block,
            "last": block + 1,
            "texts": list(texts),
            "words": list(words),
            "owner_id": owner_id,
            "subject_id": subject_id,
            "remove": remove,
        },
    )
    return (row["own"], row["others"]) if row else (0, 0)


def forget_actor(tx: Tx, actor: str) -> int:
    """Events by someone who is gone: how many were deleted."""
    return tx.run(sql.forget_actor, {"actor": actor})


def statement_key(tx: Tx) -> bytes:
    """The 32 bytes that sign statements; made on first use."""
    row = tx.row(sql.statement_key)
    if row is None:
        tx.run(sql.make_statement_key, {"seed": secrets.token_bytes(32)})
        row = tx.row(sql.statement_key)
    assert row is not None
    return bytes(row["seed"])


def owner_is_going(tx: Tx, owner_id: UUID) -> bool:
    """Whether the owner is being erased."""
    row = tx.row(sql.owner_is_going, {"owner_id": owner_id})
    return bool(row and row["going"])


def give_up_unknown(tx: Tx, subject_id: UUID, *, actor: str) -> int:
    """Give up the subject's requests whose reply was lost and that were looked for long enough."""
    return len(tx.rows(sql.give_up_unknown, {"subject_id": subject_id, "actor": actor}))


def clock(tx: Tx) -> str:
    """The database's time: ``2026-05-12T09:30:00Z``."""
    row = tx.row(sql.clock)
    assert row is not None
    return str(row["now"])


def holds_in_force(tx: Tx, owner_id: UUID, subject_id: UUID | None) -> list[Row]:
    """noun, noun_id, reason, placed_by of what keeps the subject, or anything of the owner's."""
    return tx.rows(sql.holds_in_force, {"owner_id": owner_id, "subject_id": subject_id})


def forget_cursors(tx: Tx) -> None:
    """A walk that has ended forgets the key it stood at."""
    tx.run(sql.forget_cursors)
