"""An owner's money and limits: what is reserved and spent today, and what may be."""

from __future__ import annotations

from uuid import UUID

from safelight.db.statements import statements
from safelight.db.transaction import Row, Tx
from safelight.domain.spending import SpendingLimits, Today

sql = statements("spending")


def _limits(row: Row | None) -> SpendingLimits:
    assert row is not None
    return SpendingLimits(row["daily_cap_micro_usd"], row["max_in_flight"])


def lock_limits(tx: Tx, owner_id: UUID) -> SpendingLimits:
    """The owner's limits; until the commit nobody else reserves for this owner."""
    return _limits(tx.row(sql.lock_owner, {"owner_id": owner_id}))


def set_limits(tx: Tx, owner_id: UUID, limits: SpendingLimits, *, actor: str) -> SpendingLimits:
    """Change both."""
    return _limits(
        tx.row(
            sql.set_limits,
            {
                "owner_id": owner_id,
                "daily_cap": limits.daily_cap_micro_usd,
                "in_flight": limits.max_in_flight,
                "actor": actor,
            },
        )
    )


def today(tx: Tx, owner_id: UUID, *, besides: UUID | None = None) -> Today:
    """How this UTC day stands, without what the request *besides* has reserved."""
    row = tx.row(sql.spent_today, {"owner_id": owner_id, "besides": besides})
    assert row is not None
    return Today(row["micro_usd"], row["seconds_left"], row["in_flight"])


def reserve_training(tx: Tx, id: UUID, micro_usd: int) -> None:
    """What it may cost counts against today, until it has ended and what it cost does."""
    tx.run(sql.reserve_training, {"id": id, "micro_usd": micro_usd})


def reserve_generation(tx: Tx, id: UUID, micro_usd: int) -> None:
    """As `reserve_training`, for images."""
    tx.run(sql.reserve_generation, {"id": id, "micro_usd": micro_usd})
