"""Time and money of runs that have ended, by profile."""

from __future__ import annotations

from uuid import UUID

from safelight.db.statements import statements
from safelight.db.transaction import Row, Tx
from safelight.domain.estimates import Measured

sql = statements("runs")

NEWEST = 2000
"""Older runs than these say little about today's hardware."""


def measured(tx: Tx) -> dict[str | None, Measured]:
    """Seconds a step by profile, and under None of all runs; sums over owners, nobody's by name."""
    return {
        row["profile"]: Measured(row["runs"], row["step_p50"], row["step_p95"], row["emulated"])
        for row in tx.rows(sql.measured, {"limit": NEWEST})
        if row["runs"]
    }


def spent(tx: Tx, owner_id: UUID) -> list[Row]:
    """`profile`, `runs`, `succeeded`, `seconds_p50`, `seconds_p95`, `micro_usd_p50`,
    `micro_usd_p95` and `micro_usd` (all that was spent, on failed runs too)."""
    return tx.rows(sql.spent, {"owner_id": owner_id})
