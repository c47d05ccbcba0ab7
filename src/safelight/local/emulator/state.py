"""What the emulator remembers: one SQLite file, so that a kill costs nothing."""

from __future__ import annotations

import base64
import json
import secrets
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

_SCHEMA = """
CREATE TABLE IF NOT EXISTS models (
    name TEXT PRIMARY KEY, account TEXT NOT NULL, body TEXT NOT NULL, deleted INTEGER DEFAULT 0);
CREATE TABLE IF NOT EXISTS versions (
    id TEXT PRIMARY KEY, model TEXT NOT NULL, run TEXT, created REAL NOT NULL, gone_at REAL);
CREATE TABLE IF NOT EXISTS runs (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, kind TEXT NOT NULL,
    account TEXT NOT NULL, model TEXT NOT NULL, version TEXT NOT NULL, destination TEXT,
    input TEXT NOT NULL, webhook TEXT, filter TEXT, created REAL NOT NULL, started REAL,
    ended REAL, status TEXT, ready INTEGER DEFAULT 0, cancel_at REAL, error TEXT, output TEXT,
    images INTEGER DEFAULT 0, predict_time REAL, price REAL, forgotten INTEGER DEFAULT 0);
CREATE TABLE IF NOT EXISTS files (
    id TEXT PRIMARY KEY, account TEXT NOT NULL, body TEXT NOT NULL, expires REAL NOT NULL);
CREATE TABLE IF NOT EXISTS secrets (account TEXT PRIMARY KEY, key TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS accounts (token TEXT PRIMARY KEY, name TEXT UNIQUE NOT NULL);
"""
_LATER = {"next_at": "REAL DEFAULT 0", "fate": "TEXT", "drawn": "TEXT"}
"""Columns of `runs` that came later: when to look at it next, what is to become of it, and the images
that are drawn already and not shown yet."""
_INDEXES = """
DROP INDEX IF EXISTS runs_open;
CREATE INDEX IF NOT EXISTS runs_next ON runs (next_at) WHERE ended IS NULL;
CREATE INDEX IF NOT EXISTS runs_of_kind ON runs (kind, account, number);
"""

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def new_id() -> str:
    """26 lower-case letters and digits, as the provider's ids are."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(26))


def stamp(seconds: float | None, digits: int = 6) -> str | None:
    """Unix seconds as the provider prints them: UTC, `Z`, a fraction of varying length."""
    if seconds is None:
        return None
    at = datetime.fromtimestamp(seconds, UTC)
    fraction = f"{at.microsecond:06d}".ljust(9, "7")[:digits]
    return f"{at:%Y-%m-%dT%H:%M:%S}.{fraction}Z"


class State:
    """The SQLite file. One connection, one lock: the emulator serves a machine, not a fleet."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = threading.RLock()
        self._connection = sqlite3.connect(folder / "emulator.sqlite", check_same_thread=False)
        (folder / "emulator.sqlite").chmod(0o600)  # secrets and signed links are in it
        self._connection.row_factory = sqlite3.Row
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=NORMAL")
        self._connection.executescript(_SCHEMA)
        known = {row["name"] for row in self._connection.execute("PRAGMA table_info(runs)")}
        for name, kind in _LATER.items():
            if name not in known:
                self._connection.execute(f"ALTER TABLE runs ADD COLUMN {name} {kind}")
        self._connection.executescript(_INDEXES)
        columns = {row[1] for row in self._connection.execute("PRAGMA table_info(runs)")}
        if "forgotten" not in columns:  # a file of an older emulator
            self._connection.execute("ALTER TABLE runs ADD COLUMN forgotten INTEGER DEFAULT 0")

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """A transaction."""
        with self._lock, self._connection:
            yield self._connection

    def rows(self, sql: str, *params: Any) -> list[dict[str, Any]]:
        """All rows, as dicts."""
        with self._lock:
            return [dict(row) for row in self._connection.execute(sql, params).fetchall()]

    def row(self, sql: str, *params: Any) -> dict[str, Any] | None:
        """The first row, or None."""
        found = self.rows(sql, *params)
        return found[0] if found else None

    def run(self, sql: str, *params: Any) -> int:
        """Run it; the number of rows it touched."""
        with self.write() as connection:
            return connection.execute(sql, params).rowcount

    def secret(self, account: str, purpose: str = "webhooks") -> str:
        """The account's secret for webhooks (or for links to files), made on first use: `whsec_` and
        standard base64."""
        account = account if purpose == "webhooks" else f"{purpose} of {account}"
        made = "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()
        self.run("INSERT OR IGNORE INTO secrets VALUES (?, ?)", account, made)
        found = self.row("SELECT key FROM secrets WHERE account = ?", account)
        assert found is not None
        return str(found["key"])

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()


def dumps(value: Any) -> str:
    """Compact JSON."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
