"""The clock's slots: periodic work is started once a slot, by whichever clock comes first."""

from __future__ import annotations

from safelight.db.statements import statements
from safelight.db.transaction import Row, Tx

sql = statements("ticks")


def take_slot(tx: Tx, name: str, period: float) -> bool:
    """Whether this clock is the first to take the current slot of *name*."""
    return tx.row(sql.take_slot, {"name": name, "period": float(period)}) is not None


def forget_slots(tx: Tx) -> None:
    """Drop slots long past."""
    tx.run(sql.forget_slots)


def signs_of_life(tx: Tx) -> Row:
    """clock_seconds: since the clock last took a slot of periodic work; None: never."""
    row = tx.row(sql.signs_of_life)
    assert row is not None
    return row
