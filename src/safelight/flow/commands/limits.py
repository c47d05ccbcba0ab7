"""What an owner may spend a day and have in flight."""

from __future__ import annotations

from safelight.db import spending
from safelight.db.transaction import Tx
from safelight.domain.spending import SpendingLimits, Today
from safelight.flow.commands import Actor


def get_limits(tx: Tx, actor: Actor) -> tuple[SpendingLimits, Today]:
    """The limits, and how the UTC day stands."""
    return spending.lock_limits(tx, actor.owner_id), spending.today(tx, actor.owner_id)


def set_limits(
    tx: Tx,
    actor: Actor,
    *,
    daily_cap_micro_usd: int | None = None,
    max_in_flight: int | None = None,
) -> SpendingLimits:
    """Change what is given; 0 takes that limit away."""
    before = spending.lock_limits(tx, actor.owner_id)
    cap = before.daily_cap_micro_usd if daily_cap_micro_usd is None else daily_cap_micro_usd
    most = before.max_in_flight if max_in_flight is None else max_in_flight
    limits = SpendingLimits(cap or None, most or None)
    return spending.set_limits(tx, actor.owner_id, limits, actor=actor.name)
