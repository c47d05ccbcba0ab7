"""What the database says is told apart: away, busy, refusing us, not set up for us, or not taking a value."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import psycopg
import pytest

from safelight.chaos.proxy import Proxy, Target
from safelight.db import transaction
from safelight.db.faults import (
    DatabaseAway,
    DatabaseBusy,
    DatabaseRefuses,
    DatabaseUnfit,
    DatabaseUnknown,
)
from safelight.db.transaction import Database, jsonb
from safelight.domain.errors import Invalid


def nobody(_hints: Any) -> None:
    pass


@pytest.fixture
def db(database_url: str) -> Iterator[Database]:
    found = Database(database_url, nobody)
    yield found
    found.close()


@pytest.mark.parametrize(
    ("statement", "value"),
    [
        ("SELECT %(x)s::int", 2**40),
        ("SELECT %(x)s::bigint", 10**400),
        ("SELECT %(x)s::text", "a\x00b"),
        ("SELECT %(x)s::text", "half \ud83d"),
        ("SELECT %(x)s::uuid", "no-uuid"),
        ("SELECT %(x)s::timestamptz", "99999-99-99"),
        ("SELECT %(x)s::jsonb", jsonb({"text": "half \ud83d"})),
        ("SELECT %(x)s::jsonb", jsonb({"text": "a\x00b"})),
        (
            "INSERT INTO owners (id, name) VALUES (gen_random_uuid(), %(x)s)",
            random.Random(1).randbytes(20_000).hex(),
        ),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_value_that_the_database_cannot_keep_is_the_callers_to_mend(
    db: Database, statement: str, value: Any
) -> None:
    """It was a surprise, and 500 to whoever sent it; a job tried it again, eight times."""
    with pytest.raises(Invalid, match="cannot keep") as refused, db.transaction() as tx:
        tx.row(statement, {"x": value})
    assert refused.value.status == 422
    with db.transaction() as tx:
        assert tx.row("SELECT 1 AS one") == {"one": 1}


def test_many_values_of_which_one_cannot_be_kept_are_told_so_too(db: Database) -> None:
    rows = [{"n": 1}, {"n": 2**40}]
    with pytest.raises(Invalid, match="out of range"), db.transaction() as tx:
        tx.many("SELECT %(n)s::int", rows)
    with pytest.raises(Invalid, match="out of range"), db.transaction() as tx:
        for one in rows:
            tx.soon("SELECT %(n)s::int AS n", one, lambda _row: None)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT 1 FROM nowhere",
        "SELECT nothing FROM jobs",
        "SELECT no_function(1)",
        "SELECT 1::no_type",
    ],
)
def test_a_schema_that_is_not_ours_is_told_apart_from_a_database_that_is_away(
    db: Database, statement: str
) -> None:
    with pytest.raises(DatabaseUnfit, match="schema is not the one") as met, db.transaction() as tx:
        tx.row(statement)
    assert not isinstance(met.value, DatabaseAway)
    assert "db migrate" in str(met.value.hint)


@pytest.fixture
def weak(database_url: str) -> Iterator[str]:
    """The URL of a role that may connect, once, and nothing else."""
    name = f"weak_{uuid4().hex[:12]}"
    with psycopg.connect(database_url, autocommit=True) as admin:
        admin.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'weakpass' CONNECTION LIMIT 1")
    parts = urlsplit(database_url)
    yield urlunsplit(parts._replace(netloc=f"{name}:weakpass@{parts.hostname}:{parts.port}"))
    with psycopg.connect(database_url, autocommit=True) as admin:
        admin.execute(f"DROP ROLE {name}")


def test_missing_rights_are_told_apart_with_what_to_grant(weak: str) -> None:
    db = Database(weak, nobody, size=1)
    with pytest.raises(DatabaseUnfit, match="rights for this: permission denied for table jobs"):
        _run(db, "SELECT 1 FROM jobs")
    db.close()


def test_a_database_without_a_connection_left_is_busy_and_not_away(
    weak: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transaction, "TIMEOUT", 2.0)
    with psycopg.connect(weak):
        db = Database(weak, nobody, size=1)
        with pytest.raises(DatabaseBusy, match="no connection left for us"):
            _run(db, "SELECT 1")
    _run(db, "SELECT 1")
    db.close()


def _run(db: Database, statement: str) -> None:
    with db.transaction() as tx:
        tx.rows(statement)


def other(url: str, **changes: str) -> str:
    """*url* with another user, password, database or port."""
    parts = urlsplit(url)
    user = changes.get("user", parts.username)
    password = changes.get("password", parts.password)
    host, port = changes.get("host", parts.hostname), changes.get("port", parts.port)
    path = f"/{changes['database']}" if "database" in changes else parts.path
    return urlunsplit(
        parts._replace(
            netloc=f"{user}:{password}@{host}:{port}", path=path, query=changes.get("query", "")
        )
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"password": "wrong-one"}, "password authentication failed"),
        ({"user": "nobody_here"}, "password authentication failed|does not exist"),
        ({"database": "nowhere"}, 'database "nowhere" does not exist'),
        ({"query": "sslmode=require"}, "SSL"),
        ({"query": "sslmode=sideways"}, "sslmode"),
        ({"query": "sslmode=verify-full&sslrootcert=/nowhere/ca.pem"}, "SSL|certificate"),
    ],
)
def test_a_database_that_refuses_us_is_told_at_once(
    database_url: str, changes: dict[str, str], said: str
) -> None:
    """Waiting does not help: it took a pool's whole patience, and was called away."""
    db = Database(other(database_url, **changes), nobody)
    started = time.monotonic()
    with pytest.raises(DatabaseRefuses, match=said) as met:
        _run(db, "SELECT 1")
    assert time.monotonic() - started < 5
    assert "DATABASE_URL" in str(met.value.hint)
    assert "wrong-one" not in str(met.value)
    db.close()


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:hunter22@h/x?nonsense=1",
        "mysql://u:hunter22@h/x",
        "postgresql://u:hunter22%zz@h/x",
    ],
)
def test_an_address_that_libpq_does_not_read_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(DatabaseRefuses, match="DATABASE_URL cannot be read") as met:
        Database(url, nobody)
    assert "hunter22" not in f"{met.value} {met.value.__cause__} {met.value.args}"


@pytest.mark.parametrize(
    ("host", "kind"), [("127.0.0.1", DatabaseAway), ("no.such.host.invalid", DatabaseUnknown)]
)
def test_what_is_away_may_come_back_and_what_is_not_known_may_not(
    database_url: str, host: str, kind: type[DatabaseAway], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transaction, "TIMEOUT", 1.5)
    db = Database(other(database_url, host=host, port="9"), nobody)
    with pytest.raises(DatabaseAway) as met:
        _run(db, "SELECT 1")
    assert type(met.value) is kind
    db.close()


def test_a_statement_that_takes_too_long_is_not_called_an_outage(db: Database) -> None:
    with pytest.raises(DatabaseBusy, match="statement timeout"), db.transaction() as tx:
        tx.run("SET LOCAL statement_timeout = '50ms'")
        tx.run("SELECT pg_sleep(5)")


def test_a_transaction_that_was_undone_for_another_is_tried_again(db: Database) -> None:
    with db.transaction() as tx:
        tx.run("CREATE TABLE pair (n int PRIMARY KEY)")
        tx.run("INSERT INTO pair VALUES (1), (2)")
    both = threading.Barrier(2)
    met: list[Exception] = []

    def one(first: int, second: int) -> None:
        try:
            with db.transaction() as tx:
                tx.run("UPDATE pair SET n = n WHERE n = %(n)s", {"n": first})
                both.wait(10)
                tx.run("UPDATE pair SET n = n WHERE n = %(n)s", {"n": second})
        except Exception as error:
            met.append(error)

    threads = [threading.Thread(target=one, args=order) for order in ((1, 2), (2, 1))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [type(error) for error in met] == [DatabaseBusy]
    assert "deadlock" in str(met[0])


def test_a_schema_that_changes_under_a_prepared_statement_costs_one_try(
    db: Database, database_url: str
) -> None:
    """Old workers go on while a migration adds a column."""
    with db.transaction() as tx:
        tx.run("CREATE TABLE grows (a int)")
    for _ in range(8):
        _run(db, "SELECT * FROM grows")
    with psycopg.connect(database_url, autocommit=True) as admin:
        admin.execute("ALTER TABLE grows ADD COLUMN b int")
    with pytest.raises(DatabaseBusy, match="schema changed"):
        _run(db, "SELECT * FROM grows")
    _run(db, "SELECT * FROM grows")


def test_a_standby_is_said_to_be_one(db: Database) -> None:
    with pytest.raises(DatabaseAway, match="takes no writes"), db.transaction() as tx:
        tx.run("SET TRANSACTION READ ONLY")
        tx.run("UPDATE jobs SET reason = reason")


def test_after_an_outage_the_first_who_comes_is_served(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pool's pauses between its attempts double: after some minutes it slept through the recovery."""
    monkeypatch.setattr(transaction, "TIMEOUT", 1.0)
    proxy = Proxy(Target(urlsplit(database_url).port or 0))
    db = Database(other(database_url, port=str(proxy.port)), nobody)
    proxy.down()
    until = time.monotonic() + 7.5
    while time.monotonic() < until:
        with pytest.raises(DatabaseAway):
            _run(db, "SELECT 1")
    proxy.up()
    started = time.monotonic()
    while time.monotonic() - started < 6:
        try:
            _run(db, "SELECT 1")
            break
        except DatabaseAway:
            continue
    assert time.monotonic() - started < 3
    db.close()
    proxy.close()


def test_the_options_of_an_address_are_kept_beside_ours(database_url: str) -> None:
    db = Database(f"{database_url}?options=-c%20search_path%3Dmine,public", nobody)
    with db.transaction() as tx:
        assert tx.row("SHOW search_path") == {"search_path": "mine,public"}
        assert tx.row("SHOW statement_timeout") == {"statement_timeout": "30s"}
    assert not db.connector.pooled
    db.close()
