"""A database behind a real PgBouncer in transaction mode: each transaction is in another session."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest

from safelight import config
from safelight.db.connecting import LIMITS, Pooler
from safelight.db.faults import DatabaseRefuses
from safelight.db.migrate import check, migrate
from safelight.db.transaction import Database
from safelight.flow.commands import Actor
from safelight.flow.context import Context
from safelight.settings import Settings
from tests.support.database import drop_database, named
from tests.support.pgbouncer import OPTIONS_IGNORED, needs_pgbouncer, pooler
from tests.support.photos import distinct_photos
from tests.support.pipeline import ScriptedProvider, subject_with_photos
from tests.support.servers import Stores
from tests.support.versions import trained

pytestmark = needs_pgbouncer


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    # Not pytest's folder: it is private to the user, and PgBouncer runs as another.
    with tempfile.TemporaryDirectory(prefix="safelight-pooler-") as found:
        yield Path(found)


@pytest.fixture
def settings(stores: Stores, database_url: str, folder: Path) -> Iterator[Settings]:
    """Settings that lead to this test's database through the pooler, whose owner says nothing of it."""
    with pooler(database_url, folder) as url:
        yield config.load(
            {
                **stores.environment,
                "DATABASE_URL": url,
                "REPLICATE_API_TOKEN": "r8_none",
                "REPLICATE_BASE_URL": "http://127.0.0.1:9",
            }
        )


@pytest.fixture
def provider() -> ScriptedProvider:
    return ScriptedProvider()


@pytest.fixture(params=["options refused", "options ignored"])
def pooled_url(request: pytest.FixtureRequest, database_url: str, folder: Path) -> Iterator[str]:
    more = OPTIONS_IGNORED if request.param == "options ignored" else ""
    with pooler(database_url, folder, more=more) as url:
        yield url


def many_transactions(db: Database, count: int = 240, at_once: int = 12) -> None:
    """Reads and writes whose texts and numbers of parameters differ, so that mixed up ones are seen."""
    with db.transaction() as tx:
        tx.run("CREATE TABLE IF NOT EXISTS kept (n int PRIMARY KEY, word text)")

    def one(n: int) -> None:
        with db.transaction() as tx:
            if n % 3 == 0:
                tx.run("INSERT INTO kept VALUES (%(n)s, %(word)s)", {"n": n, "word": f"w{n}"})
            elif n % 3 == 1:
                tx.many(
                    "INSERT INTO kept VALUES (%(n)s, 'many') ON CONFLICT DO NOTHING",
                    [{"n": n}, {"n": 10_000 + n}],
                )
            else:
                row = tx.row("SELECT %(n)s::int AS n, %(a)s::text AS a", {"n": n, "a": str(n)})
                assert row == {"n": n, "a": str(n)}
            for column in range(n % 5):
                row = tx.row(f"SELECT %(x)s::int AS c{column}", {"x": n})
                assert row == {f"c{column}": n}

    with ThreadPoolExecutor(at_once) as pool:
        list(pool.map(one, range(count)))
    with db.transaction() as tx:
        row = tx.row("SELECT count(*) AS n FROM kept")
    assert row == {"n": count // 3 * 3}


@pytest.mark.parametrize("setting", ["auto", "transaction"])
def test_reads_and_writes_go_through_a_pooler_without_one_error(
    pooled_url: str, setting: Pooler
) -> None:
    db = Database(pooled_url, lambda _hints: None, size=12, pooler=setting)
    many_transactions(db)
    assert db.connector.pooled
    db.close()


def test_two_programs_on_one_pooler_never_run_each_others_statements(pooled_url: str) -> None:
    """psycopg names prepared statements by a count of its own: two clients have the same names."""
    found: dict[str, Any] = {}

    def program(name: str) -> None:
        db = Database(pooled_url, lambda _hints: None, size=4)
        for _ in range(60):
            with db.transaction() as tx:
                row = tx.row(f"SELECT %(x)s::text AS {name}", {"x": name})
            assert row == {name: name}
        found[name] = True
        db.close()

    threads = [threading.Thread(target=program, args=(name,)) for name in ("a", "b", "c")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {"a": True, "b": True, "c": True}


def test_each_transaction_has_its_limits_and_leaves_none_behind(
    pooled_url: str, database_url: str
) -> None:
    db = Database(pooled_url, lambda _hints: None)
    with db.transaction() as tx:
        for name, value in LIMITS.items():
            row = tx.row(f"SELECT current_setting('{name}') AS value")
            assert row is not None
            assert row["value"] in (value, "1min" if value == "60s" else value)
    with psycopg.connect(pooled_url, autocommit=True, prepare_threshold=None) as other:
        for _ in range(8):
            assert other.execute("SHOW statement_timeout").fetchone() == ("0",)
    db.close()


def test_a_direct_connection_goes_on_preparing_what_comes_often(database_url: str) -> None:
    db = Database(database_url, lambda _hints: None, size=1)
    for _ in range(10):
        with db.transaction() as tx:
            tx.row("SELECT %(x)s::int AS x", {"x": 1})
    with db.transaction() as tx:
        row = tx.row("SELECT count(*) AS n FROM pg_prepared_statements")
    assert not db.connector.pooled
    assert row is not None
    assert row["n"] > 0
    db.close()


def test_who_says_that_there_is_no_pooler_is_told_of_the_one_there_is(pooled_url: str) -> None:
    db = Database(pooled_url, lambda _hints: None, pooler="none")
    with (
        pytest.raises(DatabaseRefuses, match="SAFELIGHT_DATABASE_POOLER"),
        db.transaction() as tx,
    ):
        tx.row("SELECT 1")
    db.close()


def test_a_pooler_that_takes_no_transactions_is_told_apart_from_a_database_that_is_away(
    database_url: str, folder: Path
) -> None:
    with pooler(database_url, folder, mode="statement") as url:
        db = Database(url, lambda _hints: None)
        with pytest.raises(DatabaseRefuses, match="statement pooling mode"), db.transaction() as tx:
            tx.row("SELECT 1")
        db.close()


def test_a_training_goes_from_photos_to_a_version_through_a_pooler(
    cx: Context, who: Actor, provider: ScriptedProvider, tmp_path: Path
) -> None:
    subject = subject_with_photos(cx, who, distinct_photos(tmp_path, 12))
    version = trained(cx, who, provider, subject.id, tmp_path)
    assert (version.number, version.state) == (1, "active")
    assert cx.db.connector.pooled


def test_migrations_and_their_check_go_the_same_way(
    stores: Any, database_url: str, folder: Path
) -> None:
    url = named(database_url, "through_a_pooler")
    with psycopg.connect(database_url, autocommit=True) as admin:
        admin.execute("CREATE DATABASE through_a_pooler")
    try:
        with pooler(url, folder) as pooled:
            assert check(pooled)
            assert migrate(pooled)
            assert check(pooled) == []
            assert migrate(pooled) == []
    finally:
        drop_database(database_url, url)


def test_a_pooler_whose_database_refuses_it_says_so(
    stores: Any, database_url: str, folder: Path
) -> None:
    wrong = database_url.replace("@", "x@", 1)
    with pooler(wrong, folder) as url:
        db = Database(url, lambda _hints: None)
        with pytest.raises(DatabaseRefuses, match="authentication failed"), db.transaction() as tx:
            tx.row("SELECT 1")
        db.close()
