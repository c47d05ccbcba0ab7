"""What the database says, told apart: away, busy, refusing us, not set up for us, or not taking a value.

Whoever waits must know what waiting mends. While a connection is made, libpq passes the server's words on
without their code, so those are read; a server that speaks another language is waited for, and its words
are shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import errors as pg
from psycopg_pool import PoolTimeout

from safelight.domain.errors import Conflict, Invalid, Retryable
from safelight.domain.texts import shown


class DatabaseAway(Retryable):
    """The database cannot be reached."""

    code = "database-away"


class DatabaseBusy(DatabaseAway):
    """The database has no room for this now."""

    code = "database-busy"


class DatabaseUnknown(DatabaseAway):
    """The database's host is not known."""

    code = "database-unknown"


class DatabaseRefuses(DatabaseAway):
    """The database does not let us in."""

    code = "database-refuses"


class DatabaseUnfit(Retryable):
    """The database is not set up for what was asked of it."""

    code = "database-unfit"


class Violated(Conflict):
    """What was to be written contradicts what is there."""

    code = "violated"

    def __init__(self, constraint: str) -> None:
        super().__init__(f"That contradicts what is there ({constraint}).")
        self.constraint = constraint


POOLER_HINT = (
    "Set SAFELIGHT_DATABASE_POOLER=transaction (or leave it out: auto finds a pooler by itself)."
)

_REFUSALS = re.compile(
    r"authentication failed|no password supplied|no pg_hba\.conf entry|pg_hba\.conf rejects"
    r"|(?:role|database|user) \"[^\"]*\" does not exist|no such (?:database|user)"
    r"|is not permitted to log in|permission denied for database|is not currently accepting connections"
    r"|does not support SSL|SSL connection is required|SSL required|connection is insecure"
    r"|certificate verify failed|server certificate|root certificate|certificate file|private key file"
    r"|unsupported (?:startup parameter|frontend protocol)|Tenant or user not found|endpoint ID"
    r"|channel binding|invalid (?:connection option|\w+ value|value for)|service \"[^\"]*\" not found"
    r"|transaction blocks not allowed in statement pooling mode|bouncer config error|login rejected",
    re.IGNORECASE,
)
_FULL = re.compile(
    r"too many (?:clients|connections)|remaining connection slots|no more connections allowed"
    r"|max client connections reached|query_wait_timeout",
    re.IGNORECASE,
)
_UNKNOWN = re.compile(
    r"could not translate host name|failed to resolve host|name or service not known"
    r"|nodename nor servname|no address associated",
    re.IGNORECASE,
)
_PASSING_NAME = re.compile(r"temporary failure in name resolution", re.IGNORECASE)
_OPTIONS = re.compile(
    r"unsupported startup parameter(?: in options)?|command-line options|startup parameter.*options",
    re.IGNORECASE,
)
# Classes of SQLSTATE.
_UNDONE, _NO_ROOM, _LIMIT_EXCEEDED, _NOT_LET_IN = "40", "53", "54", ("28", "3D")
_MOST = 600
"""Characters of the database's own words that are passed on."""


def refuses_options(error: psycopg.Error) -> bool:
    """Whether a pooler did not take the settings that a connection to Postgres itself is made with."""
    return _OPTIONS.search(str(error)) is not None


def told(error: Exception) -> Exception | None:
    """*error* as one of ours; None where it is a surprise."""
    said = _words(error)
    kind = (error.sqlstate or "")[:2] if isinstance(error, psycopg.Error) else ""
    match error:
        case pg.IntegrityError():
            return Violated(error.diag.constraint_name or "constraint")
        case UnicodeEncodeError():
            return Invalid(
                "The database cannot keep a text that was given: half a character is in it."
            )
        case pg.DivisionByZero():
            return None  # a statement's fault, whatever the values
        case psycopg.DataError():
            return Invalid(f"The database cannot keep a value that was given: {said}.")
        case psycopg.OperationalError() if kind == _LIMIT_EXCEEDED:
            return Invalid(f"The database cannot keep a value that was given: {said}.")
        case pg.InsufficientPrivilege():
            return DatabaseUnfit(
                f"The database's role has not the rights for this: {said}.",
                hint="Let it own the schema, or GRANT it what is missing (docs/runbook.md, 'Database').",
            )
        case pg.UndefinedTable() | pg.UndefinedColumn() | pg.UndefinedFunction():
            return _of_another_schema(said)
        case pg.UndefinedObject() | pg.InvalidSchemaName():
            return _of_another_schema(said)
        case pg.InvalidSqlStatementName() | pg.DuplicatePreparedStatement():
            return DatabaseUnfit(f"A pooler mixes sessions up: {said}.", hint=POOLER_HINT)
        case pg.ProtocolViolation() if "bind message" in said:
            return DatabaseUnfit(f"A pooler mixes sessions up: {said}.", hint=POOLER_HINT)
        case pg.FeatureNotSupported() if "cached plan" in said:
            return DatabaseBusy(f"The schema changed under a statement: {said}.")
        # Internal errors by their class: a worker that was stopped inside a transaction comes back to a
        # session that the server has ended.
        case pg.IdleInTransactionSessionTimeout() | psycopg.InterfaceError() | PoolTimeout():
            return DatabaseAway(f"The database cannot be reached: {said}.")
        case pg.ReadOnlySqlTransaction():
            return DatabaseAway(
                f"The database takes no writes (a standby, or one that takes over): {said}."
            )
        case psycopg.OperationalError():
            return _of_operation(error, kind, said)
    return None


def _of_another_schema(said: str) -> DatabaseUnfit:
    return DatabaseUnfit(
        f"The database's schema is not the one this code was written for: {said}.",
        hint="Look with `safelight db check`; `safelight db migrate` brings it up to date.",
    )


def _of_operation(error: psycopg.OperationalError, kind: str, said: str) -> Exception:
    if isinstance(error, pg.QueryCanceled | pg.LockNotAvailable):
        return DatabaseBusy(f"The database gave a statement up: {said}.")
    if kind == _UNDONE:
        return DatabaseBusy(f"The database undid a transaction for another's sake: {said}.")
    if kind == _NO_ROOM:
        return DatabaseBusy(f"The database has no room: {said}.")
    if kind in _NOT_LET_IN:
        return _refusal(said)
    # A connection that is not made comes without a code, or with the one of a pooler.
    if not kind or isinstance(error, pg.ProtocolViolation):
        if _FULL.search(said):
            return DatabaseBusy(f"The database has no connection left for us: {said}.")
        if _REFUSALS.search(said):
            return _refusal(said)
        if _UNKNOWN.search(said) and not _PASSING_NAME.search(said):
            return DatabaseUnknown(
                f"The database's host is not known: {said}.", hint="Look at DATABASE_URL's host."
            )
    return DatabaseAway(f"The database cannot be reached: {said}.")


def _refusal(said: str) -> DatabaseRefuses:
    return DatabaseRefuses(
        f"The database does not let us in: {said}.",
        hint="Look at DATABASE_URL: user, password, database, sslmode.",
    )


def _words(error: Exception) -> str:
    """Its first words, in one line."""
    primary = error.diag.message_primary if isinstance(error, psycopg.Error) else None
    text = " ".join((primary or str(error) or type(error).__name__).split())
    return shown(text, most=_MOST).rstrip(".")


@contextmanager
def told_apart() -> Iterator[None]:
    """Turn psycopg's errors into ours."""
    try:
        yield
    except (psycopg.Error, PoolTimeout) as error:
        ours = told(error)
        if ours is None:
            raise
        raise ours from error


@contextmanager
def asked() -> Iterator[None]:
    """The same around a statement and its values: text that cannot be encoded never gets to the server."""
    try:
        yield
    except (psycopg.Error, PoolTimeout, UnicodeEncodeError) as error:
        ours = told(error)
        if ours is None:
            raise
        raise ours from error
