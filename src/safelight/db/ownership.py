"""Whose things at the provider are: all owners share one account there."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from safelight.db.statements import statements
from safelight.db.transaction import Tx, into

sql = statements("ownership")


@dataclass(frozen=True, slots=True)
class Standing:
    """A model ``owner/name`` and one of its versions, as an owner of ours stands to them."""

    own_model: bool
    """A training of this owner's was sent there."""
    others_model: bool
    own_version: bool
    """A training of this owner's made it."""
    others_version: bool
    our_account: bool
    """The model lies in the account that our trainings go to."""


def standing(tx: Tx, owner_id: UUID, model: str, version: str | None) -> Standing:
    """How *owner_id* stands to ``owner/name`` and, where given, to a version of it (64 hex digits)."""
    row = tx.row(
        sql.standing,
        {
            "owner_id": owner_id,
            "model": model.lower(),
            "account": model.lower().partition("/")[0],
            "version": version,
        },
    )
    assert row is not None  # EXISTS always answers
    return into(Standing, row)
