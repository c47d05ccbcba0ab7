"""What is kept of the provider's webhooks: that a delivery was taken, and whose it was."""

from __future__ import annotations

from uuid import UUID

from safelight.db.statements import statements
from safelight.db.transaction import Tx

sql = statements("webhooks")


def take(tx: Tx, delivery_id: str) -> bool:
    """Whether this delivery is new."""
    return tx.row(sql.take_delivery, {"id": delivery_id}) is not None


def forget(tx: Tx) -> None:
    """Drop deliveries past the tolerance."""
    tx.run(sql.forget_deliveries)


def run_of_intent(tx: Tx, intent_id: UUID) -> UUID | None:
    """The training or the generation with this mark."""
    row = tx.row(sql.run_of_intent, {"intent_id": intent_id})
    return row["id"] if row else None
