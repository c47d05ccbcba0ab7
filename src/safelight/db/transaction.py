"""One transaction, and the pool it comes from.

A `Tx` runs named statements and gathers the hints that are to be sent once it is committed: a hint
published before the commit could reach a worker that does not see the job yet.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from functools import cache
from typing import Any, TypeVar
from uuid import UUID

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb
from psycopg_pool import ConnectionPool, PoolTimeout

from safelight.db.connecting import Connector, Pooler
from safelight.db.faults import DatabaseAway, DatabaseBusy, asked, told_apart
from safelight.db.jsons import dumps
from safelight.db.patience import PatientConnection, Silent
from safelight.domain.queues import Queue

T = TypeVar("T")
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Hint:
    """'Look at this job': all a message ever says."""

    queue: Queue
    job_id: UUID


Publish = Callable[[Sequence[Hint]], None]


@dataclass(frozen=True, slots=True)
class _Gathered:
    statement: str
    params: Mapping[str, Any]
    then: Callable[[Row], None]


class Tx:
    """An open transaction. Made by `Database.transaction`, or around a caller's own connection."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        self.hints: list[Hint] = []
        self._gathered: list[_Gathered] = []

    def hint(self, queue: Queue, job_id: UUID) -> None:
        """Send this hint after the commit."""
        self.hints.append(Hint(queue, job_id))

    def rows(self, statement: str, params: Mapping[str, Any] | None = None) -> list[Row]:
        """All rows, as dicts."""
        self.flush()
        with asked(), self._connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(statement.encode(), params).fetchall()

    def row(self, statement: str, params: Mapping[str, Any] | None = None) -> Row | None:
        """The first row as a dict, or None."""
        self.flush()
        with asked(), self._connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(statement.encode(), params).fetchone()

    def run(self, statement: str, params: Mapping[str, Any] | None = None) -> int:
        """Run it; the number of rows it touched."""
        self.flush()
        with asked(), self._connection.cursor() as cursor:
            return cursor.execute(statement.encode(), params).rowcount

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """A part that is undone alone if it fails, with the hints that it would have sent."""
        self.flush()
        before = len(self.hints)
        with told_apart(), self._connection.transaction():
            try:
                yield
                self.flush()
            except BaseException:
                del self.hints[before:]
                raise
            finally:
                self._gathered.clear()

    def many(self, statement: str, params: Sequence[Mapping[str, Any]]) -> None:
        """Run it once for each of *params*, in one round trip."""
        self.flush()
        if params:
            with asked(), self._connection.cursor() as cursor:
                cursor.executemany(statement.encode(), params)

    def soon(self, statement: str, params: Mapping[str, Any], then: Callable[[Row], None]) -> None:
        """Run it before whatever comes next, the commit at the latest, and give its row to *then*.

        What is asked for in a row goes out in one round trip.
        """
        if self._gathered and self._gathered[-1].statement != statement:
            self.flush()
        self._gathered.append(_Gathered(statement, params, then))

    def flush(self) -> None:
        """Run what was put off."""
        if not self._gathered:
            return
        gathered, self._gathered = self._gathered, []
        statement = gathered[0].statement.encode()
        with asked(), self._connection.cursor(row_factory=dict_row) as cursor:
            if len(gathered) == 1:
                cursor.execute(statement, gathered[0].params)
            else:
                cursor.executemany(statement, [one.params for one in gathered], returning=True)
            for one in gathered:
                for row in cursor.fetchall():
                    one.then(row)
                cursor.nextset()


TIMEOUT = 15.0
"""Seconds a transaction waits for a connection: as long as a restart of the database takes."""
SOON = 1.0
"""So soon it is looked at whether the database refuses us: then nobody waits any longer."""


class Database:
    """A pool of connections. Open it after fork; `close` it when the process ends.

    Raises:
        DatabaseRefuses: the address cannot be read.
    """

    def __init__(
        self, url: str, publish: Publish, *, size: int = 4, pooler: Pooler = "auto"
    ) -> None:
        self._publish = publish
        self.connector = Connector(url, pooler)
        self._pool: ConnectionPool[PatientConnection] = ConnectionPool(
            min_size=0,
            max_size=size,
            max_idle=300.0,
            timeout=TIMEOUT,
            # The pauses between its attempts double: past this one begins anew with whoever comes next.
            reconnect_timeout=TIMEOUT,
            check=self._check,
            connection_class=PatientConnection,
            kwargs={"through": self.connector},
            open=True,
        )

    @contextmanager
    def transaction(self) -> Iterator[Tx]:
        """A transaction: committed at the end of the block, then its hints are sent.

        Raises:
            DatabaseAway: no connection, or it was lost; whether a commit was applied is not known.
                Its subclasses say whether it has no room now, or refuses us.
            DatabaseUnfit: its schema or our rights are not what is needed.
            Invalid: a value that it cannot keep.
            Violated: a constraint refused what was written.
        """
        with told_apart(), self._noticed(), self._connection() as connection:
            tx = Tx(connection)
            with connection.transaction():
                if connection.begins_with:
                    connection.execute(connection.begins_with)
                yield tx
                tx.flush()
        if tx.hints:
            self._publish(tx.hints)

    @contextmanager
    def _connection(self) -> Iterator[PatientConnection]:
        connection = self._got()
        try:
            with connection:
                yield connection
        finally:
            self._pool.putconn(connection)

    def _got(self) -> PatientConnection:
        """A connection of the pool; where there is none, why."""
        since = time.monotonic()
        for seconds in (SOON, TIMEOUT - SOON):
            try:
                return self._pool.getconn(seconds)
            except PoolTimeout:
                self.connector.raise_refusal(since)
        self.connector.raise_failure(since)
        raise DatabaseBusy(f"No connection to the database was free for {TIMEOUT:g} s.")

    def _check(self, connection: PatientConnection) -> None:
        with self._noticed():
            connection.check()

    @contextmanager
    def _noticed(self) -> Iterator[None]:
        """Where the server is silent on one connection, the others are not tried, each for as long."""
        try:
            yield
        except (Silent, DatabaseAway) as error:
            if isinstance(error, Silent) or isinstance(error.__cause__, Silent):
                self._pool.drain()
            raise

    def close(self) -> None:
        """Close every connection."""
        self._pool.close(timeout=5.0)


def into(cls: type[T], row: Row) -> T:
    """*row* as the dataclass *cls*; columns it does not name are left out, so an older worker
    can read a newer schema."""
    return cls(**{name: row[name] for name in _names(cls)})  # type: ignore[arg-type]


@cache
def _names(cls: Any) -> tuple[str, ...]:
    return tuple(field.name for field in fields(cls))


def jsonb(value: Any) -> Jsonb | None:
    """*value* as a jsonb parameter; None stays SQL's NULL."""
    return None if value is None else Jsonb(value, dumps)
