"""How every door gets to the database: straight, or through a pooler that hands sessions round.

A pooler in transaction mode (PgBouncer, and what managed Postgres puts in front) gives each transaction
another session of the server. Statements prepared in one would be missing in the next, or be another
client's of the same name; settings made once would be gone. So behind one nothing is prepared, and each
transaction begins with its settings. Nobody need say that a pooler is there: the process that answers is
another than the one that greeted us, or the settings of the connection did not come through.
"""

from __future__ import annotations

import re
import time
from typing import Any, Literal

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import tuple_row

from safelight.db.faults import POOLER_HINT, DatabaseRefuses, refuses_options, told
from safelight.db.patience import STATEMENT_SECONDS, PatientConnection
from safelight.db.statements import statements
from safelight.domain.errors import SafelightError

sql = statements("connection")

Pooler = Literal["auto", "none", "transaction"]

# No statement of ours runs for long. What we ask for by key is in memory: at a disk's cost for it, a plan
# that is made while a table is small reads all of it, and is kept when it has grown.
LIMITS = {
    "statement_timeout": f"{STATEMENT_SECONDS}s",
    "idle_in_transaction_session_timeout": "60s",
    "random_page_cost": "1.1",
}
OPTIONS = " ".join(f"-c {name}={value}" for name, value in LIMITS.items())
LOCALLY = "; ".join(f"SET LOCAL {name} = '{value}'" for name, value in LIMITS.items()).encode()

# Where the address does not say otherwise. A lost peer is noticed within the minute.
_USUAL: dict[str, Any] = {
    "application_name": "safelight",
    "connect_timeout": 5,
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30000,
}


class Connector:
    """Makes connections to one address. Safe to share between threads.

    *limits*: statements end after half a minute; without it they take as long as they do, as a
    migration's may.

    Raises:
        DatabaseRefuses: libpq does not understand the address.
    """

    def __init__(self, url: str, pooler: Pooler = "auto", *, limits: bool = True) -> None:
        try:
            said = conninfo_to_dict(url)
        except psycopg.Error as error:
            words = " ".join(str(error).split())
            if "parameter" not in words:  # it may quote the password
                words = re.sub(r'"[^"]*"', '"..."', words)
            raise DatabaseRefuses(
                f"DATABASE_URL cannot be read: {words}.",
                hint="README, 'Real services', has examples.",
            ) from None
        self._url = url
        self._pooler = pooler
        self._limits = limits
        self._asked = {name: value for name, value in _USUAL.items() if name not in said}
        self._own_options = str(said.get("options") or "")
        self.pooled = pooler == "transaction"
        """Whether a pooler is there, as far as is known."""
        self.failure: Exception | None = None
        """What the last connection came to; None: it was made."""
        self.failed_at = 0.0

    def connect(self, **more: Any) -> PatientConnection:
        """A connection, fit for what lies on the way. Raises psycopg's errors and DatabaseRefuses."""
        try:
            found = self._behind_a_pooler(more) if self.pooled else self._straight(more)
        except (psycopg.Error, DatabaseRefuses) as error:
            self.failure = told(error) or error if isinstance(error, psycopg.Error) else error
            self.failed_at = time.monotonic()
            raise
        self.failure = None
        return found

    def raise_refusal(self, since: float) -> None:
        """Raise DatabaseRefuses where the database refused us after *since* (monotonic seconds)."""
        if isinstance(self.failure, DatabaseRefuses):
            self.raise_failure(since)

    def raise_failure(self, since: float) -> None:
        """Raise why there was no connection after *since*, if that is known."""
        failure = self.failure
        if isinstance(failure, SafelightError) and self.failed_at >= since:
            raise type(failure)(failure.message, hint=failure.hint)

    def _open(self, options: str, **more: Any) -> PatientConnection:
        asked = {**self._asked, **more}
        if options:
            asked["options"] = options
        found = PatientConnection.connect(self._url, **asked)
        if not self._limits:
            found.answer_seconds = float("inf")
        return found

    def _straight(self, more: dict[str, Any]) -> PatientConnection:
        if not self._limits:
            # Prepares nothing and sets nothing: good behind a pooler too.
            return self._open(self._own_options, prepare_threshold=None, **more)
        try:
            found = self._open(f"{self._own_options} {OPTIONS}".strip(), **more)
        except psycopg.OperationalError as error:
            if not refuses_options(error):
                raise
            self._found_a_pooler()
            return self._behind_a_pooler(more)
        try:
            if self._is_pooled(found):
                self._found_a_pooler()
                self._fit(found)
        except BaseException:
            found.close()
            raise
        return found

    def _behind_a_pooler(self, more: dict[str, Any]) -> PatientConnection:
        found = self._open(self._own_options, **more)
        self._fit(found)
        return found

    def _fit(self, connection: PatientConnection) -> None:
        connection.prepare_threshold = None
        if self._limits:
            connection.begins_with = LOCALLY

    @staticmethod
    def _is_pooled(connection: PatientConnection) -> bool:
        connection.autocommit = True
        with connection.cursor(row_factory=tuple_row) as cursor:
            answered = cursor.execute(sql.who_answers.encode()).fetchone()
        connection.autocommit = False
        return answered != (connection.pgconn.backend_pid, LIMITS["statement_timeout"])

    def _found_a_pooler(self) -> None:
        if self._pooler == "none":
            raise DatabaseRefuses(
                "DATABASE_URL leads to a pooler, and SAFELIGHT_DATABASE_POOLER says that there is none.",
                hint=POOLER_HINT,
            )
        self.pooled = True
