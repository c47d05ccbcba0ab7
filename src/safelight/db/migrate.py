"""Migrations: numbered `.sql` files, each run once, in order, in one transaction with its record."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib import resources
from typing import Any

import psycopg
from psycopg.rows import dict_row

from safelight.db.connecting import Connector, Pooler
from safelight.db.faults import told_apart
from safelight.db.patience import PatientConnection
from safelight.db.statements import statements
from safelight.domain.errors import SchemaBehind


@dataclass(frozen=True, slots=True)
class Migration:
    """One file of `db/migrations`."""

    number: int
    name: str
    sql: str

    @property
    def sha256(self) -> str:
        """Of the file's text, hex."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def migrations() -> list[Migration]:
    """Every migration this code ships, in order."""
    files = (resources.files("safelight.db") / "migrations").iterdir()
    found = [
        Migration(int(f.name.split("_")[0]), f.name.removesuffix(".sql"), f.read_text("utf-8"))
        for f in files
        if f.name.endswith(".sql")
    ]
    return sorted(found, key=lambda m: m.number)


def _applied(connection: psycopg.Connection[dict[str, Any]]) -> dict[int, dict[str, Any]]:
    sql = statements("migrate")
    row = connection.execute(sql.table_exists.encode()).fetchone()
    if not row or not row["yes"]:
        return {}
    return {r["number"]: r for r in connection.execute(sql.applied.encode()).fetchall()}


def _connected(connector: Connector) -> PatientConnection:
    return connector.connect(row_factory=dict_row, connect_timeout=10)


def migrate(url: str, pooler: Pooler = "auto") -> list[str]:
    """Bring the schema up to date; the names of the migrations that were run (none: it was)."""
    sql = statements("migrate")
    with told_apart(), _connected(Connector(url, pooler, limits=False)) as connection:
        connection.execute(sql.lock.encode())
        connection.execute(sql.make_table.encode())
        applied = _applied(connection)
        _refuse_changed(applied)
        todo = [m for m in migrations() if m.number not in applied]
        for m in todo:
            connection.execute(m.sql.encode())
            connection.execute(
                sql.record.encode(), {"number": m.number, "name": m.name, "sha256": m.sha256}
            )
        return [m.name for m in todo]


def check(way: str | Connector, pooler: Pooler = "auto") -> list[str]:
    """The names of the migrations that have not run yet; *way*: the address, or what connects to it.

    A newer schema than this code is fine (old and new workers run together during a deploy);
    `SchemaBehind` where a migration that ran is not the one that is shipped.
    """
    connector = Connector(way, pooler) if isinstance(way, str) else way
    with told_apart(), _connected(connector) as connection:
        applied = _applied(connection)
    _refuse_changed(applied)
    return [m.name for m in migrations() if m.number not in applied]


def require_current(way: str | Connector, pooler: Pooler = "auto") -> None:
    """Raise `SchemaBehind` unless every migration this code was written for has run."""
    missing = check(way, pooler)
    if missing:
        raise SchemaBehind(
            f"The database is {len(missing)} migration(s) behind this code: {', '.join(missing)}.",
            hint="Run `safelight db migrate`, then start the workers again.",
        )


def _refuse_changed(applied: dict[int, dict[str, Any]]) -> None:
    for m in migrations():
        row = applied.get(m.number)
        if row and row["sha256"] != m.sha256:
            raise SchemaBehind(
                f"Migration {m.name} was changed after it ran here.",
                hint="A migration is never edited: put the change in a new one.",
            )
