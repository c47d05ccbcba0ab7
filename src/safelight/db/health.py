"""What the doctor asks of the database, over the connection that everybody else uses."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from safelight.db.statements import statements
from safelight.db.transaction import Tx, into

sql = statements("connection")

OLDEST = 150_000
"""PostgreSQL 15, as the server counts its versions."""


@dataclass(frozen=True, slots=True)
class Server:
    """The server, and the role that we are there."""

    version: int
    now: datetime
    role: str
    read_only: bool
    may_create: bool
    may_make_temporary: bool
    encoding: str
    max_connections: int

    @property
    def release(self) -> str:
        """As people call it: 15.18."""
        return f"{self.version // 10_000}.{self.version % 10_000}"


@dataclass(frozen=True, slots=True)
class Rights:
    """Names of our tables that the role may not work with, and that it does not own."""

    closed: tuple[str, ...]
    not_owned: tuple[str, ...]


def server(tx: Tx) -> Server:
    """The server that answers."""
    row = tx.row(sql.server)
    assert row is not None
    return into(Server, row)


def rights(tx: Tx) -> Rights:
    """What the role may do with the tables of its schema."""
    rows = tx.rows(sql.forbidden)
    return Rights(
        tuple(row["name"] for row in rows if row["closed"]),
        tuple(row["name"] for row in rows if row["not_owned"]),
    )
