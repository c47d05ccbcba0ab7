"""Owners, their API keys (stored hashed) and the answers kept for idempotency keys."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from safelight.db.statements import statements
from safelight.db.transaction import Row, Tx, into, jsonb
from safelight.domain.ids import new_id
from safelight.domain.nouns import Owner

sql = statements("owners")


def ensure(tx: Tx, name: str) -> Owner:
    """The owner of this name, made on first use."""
    row = tx.row(sql.ensure_owner, {"id": new_id(), "name": name})
    if row is None:  # another transaction made it after this statement's snapshot
        row = tx.row(sql.ensure_owner, {"id": new_id(), "name": name})
    assert row is not None
    return into(Owner, row)


def get(tx: Tx, id: UUID) -> Owner:
    """The owner: whoever acts is one."""
    row = tx.row(sql.get_owner, {"id": id})
    assert row is not None
    return into(Owner, row)


def set_policy(
    tx: Tx,
    id: UUID,
    *,
    approval: str | None,
    draw_unapproved: bool | None,
    keep_location: bool | None,
    actor: str,
) -> Owner:
    """Change how this owner's versions come to draw and photos are stored; None leaves a thing as it is."""
    row = tx.row(
        sql.set_policy,
        {
            "id": id,
            "approval": approval,
            "draw_unapproved": draw_unapproved,
            "keep_location": keep_location,
            "actor": actor,
        },
    )
    assert row is not None
    return into(Owner, row)


def hash_key(key: str) -> bytes:
    """What is stored of an API key: 32 bytes."""
    return hashlib.sha256(key.encode()).digest()


SCOPES = ("read", "write", "erase")
"""What a key may do: look, change and spend, erase for good."""


@dataclass(frozen=True, slots=True)
class KeyHolder:
    """Whose a key is, which one it is, and what it may do."""

    owner: Owner
    key_id: UUID
    scopes: frozenset[str]


def add_key(
    tx: Tx,
    owner_id: UUID,
    label: str,
    *,
    actor: str,
    scopes: Collection[str] = SCOPES,
    days: int | None = None,
) -> tuple[Row, str]:
    """A new API key: its row, and the key itself, which is shown once and not kept. *days*: after so many
    it opens nothing any more; None: it has no end."""
    key = "slk_" + secrets.token_urlsafe(32)
    row = tx.row(
        sql.insert_key,
        {
            "id": new_id(),
            "owner_id": owner_id,
            "label": label,
            "key_hash": hash_key(key),
            "scopes": sorted(scopes),
            "days": days,
            "actor": actor,
        },
    )
    assert row is not None
    return row, key


def of_key(tx: Tx, key: str) -> KeyHolder | None:
    """Whose key this is; None: nobody's, revoked, or its time is over."""
    row = tx.row(sql.owner_of_key, {"key_hash": hash_key(key)})
    if row is None:
        return None
    return KeyHolder(into(Owner, row), row["key_id"], frozenset(row["scopes"]))


def keys(tx: Tx, owner_id: UUID) -> list[Row]:
    """The keys of an owner: id, label, scopes, created_at, expires_at, last_used_at, revoked_at."""
    return tx.rows(sql.list_keys, {"owner_id": owner_id})


def revoke_key(tx: Tx, id: UUID, owner_id: UUID, *, actor: str) -> bool:
    """Revoke a key; False: there is none, or it was."""
    return tx.row(sql.revoke_key, {"id": id, "owner_id": owner_id, "actor": actor}) is not None


def lock_idempotency_key(tx: Tx, owner_id: UUID, key: str) -> bool:
    """Hold the key until the transaction ends; False: a request that has it is still running."""
    row = tx.row(sql.lock_idempotency_key, {"owner_id": owner_id, "key": key})
    assert row is not None
    ours: bool = row["ours"]
    return ours


def take_idempotency_key(tx: Tx, owner_id: UUID, key: str, request_hash: bytes) -> bool:
    """True: this request is the first with the key (within a day)."""
    row = tx.row(
        sql.take_idempotency_key, {"owner_id": owner_id, "key": key, "request_hash": request_hash}
    )
    return row is not None


def get_idempotency_key(tx: Tx, owner_id: UUID, key: str) -> Row | None:
    """request_hash, status, response of the first request; status None: not answered yet."""
    return tx.row(sql.get_idempotency_key, {"owner_id": owner_id, "key": key})


def answer_idempotency_key(tx: Tx, owner_id: UUID, key: str, status: int, response: Any) -> None:
    """Keep the answer for the same request made again."""
    tx.run(
        sql.answer_idempotency_key,
        {"owner_id": owner_id, "key": key, "status": status, "response": jsonb(response)},
    )


def forget_idempotency_keys(tx: Tx) -> None:
    """Drop keys older than a day."""
    tx.run(sql.forget_idempotency_keys)
