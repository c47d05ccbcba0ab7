"""Rows by the end of their id, as a person copies it out of a table."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from safelight.db.statements import statements
from safelight.db.transaction import Tx

sql = statements("ids")


def ending(tx: Tx, nouns: Sequence[str], end: str, owner_id: UUID | None) -> list[tuple[str, UUID]]:
    """Noun and id of what ends in *end* (lower case), among these nouns of the owner (None: of all).

    Two at most. A noun is `subject`, `training`, `version`, `generation`, `job`, `campaign`, `erasure`,
    `key`, `hold` (by its own id or by that of what it holds), `removed photo`, `removed image` or
    `removed version`. What belongs to a subject that is being erased is not there.
    """
    asked = {"nouns": list(nouns), "end": end, "owner_id": owner_id}
    return sorted((row["noun"], row["id"]) for row in tx.rows(sql.ids_ending, asked))
