"""A part of somebody else's transaction: for producers who share the database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus

from safelight.db.faults import told_apart
from safelight.db.statements import statements
from safelight.db.transaction import Tx
from safelight.domain.errors import Invalid

Connection = psycopg.Connection[Any]
"""A connection of psycopg 3, synchronous, with whatever row factory."""

sql = statements("joined")


@contextmanager
def joined(connection: Connection) -> Iterator[Tx]:
    """A savepoint in the transaction of *connection*, which its owner commits or rolls back.

    What fails in the block is undone alone: the caller's transaction can go on. Hints are left to
    the sweep, since only the caller knows when it commits.

    Raises:
        Invalid: the connection commits every statement by itself and no transaction is open.
    """
    idle = connection.info.transaction_status == TransactionStatus.IDLE
    if idle and connection.autocommit:
        raise Invalid(
            "The connection commits every statement by itself, and no transaction is open.",
            hint="Call this within `with connection.transaction():`.",
        )
    with told_apart():
        if idle:
            # Else the block below would be the outermost, and end with a commit of its own.
            connection.execute(sql.begin.encode())
        with connection.transaction():
            tx = Tx(connection)
            yield tx
            tx.flush()
