"""The doctor asks what the product needs, the way the product asks it, on real stores."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import psycopg
import pytest
import redis
from pydantic import SecretStr

from safelight.cli import checks, checks_broker, checks_database
from safelight.cli.checks import TOKEN
from safelight.cli.verdicts import Check
from safelight.clients import dates
from safelight.db.faults import DatabaseRefuses
from safelight.settings import Settings
from tests.support.database import drop_database, named
from tests.support.pgbouncer import needs_pgbouncer, pooler
from tests.support.servers import Stores

AWAY = {
    "DATABASE_URL": "postgresql://app:hunter22@127.0.0.1:9/x",
    "BROKER_URL": "redis://:hunter22@127.0.0.1:9/0",
    "S3_ENDPOINT_URL": "http://127.0.0.1:9",
    "REPLICATE_API_TOKEN": "r8_short",
    "REPLICATE_BASE_URL": "http://127.0.0.1:9",
}


def at_database(settings: Settings, url: str | None = None) -> list[Check]:
    changes = {} if url is None else {"database_url": SecretStr(url)}
    return list(checks_database.look(settings.model_copy(update=changes)))


def of(what: str, found: list[Check]) -> list[tuple[str, str]]:
    return [
        (check.verdict, f"{check.seen} {check.remedy}") for check in found if check.what == what
    ]


def test_a_good_database_is_named_with_its_version_and_schema(settings: Settings) -> None:
    found = at_database(settings)
    ((verdict, said),) = of("database", found)
    assert verdict == "ok"
    assert "PostgreSQL 18" in said
    assert "schema up to date" in said
    assert str(urlsplit(settings.database_url.get_secret_value()).password) not in f"{found}"
    assert of("time", found)[0][0] == "ok"


@pytest.fixture
def role(database_url: str) -> Iterator[str]:
    """The URL of a role that may connect and nothing else."""
    name = f"plain_{uuid4().hex[:12]}"
    with psycopg.connect(database_url, autocommit=True) as admin:
        admin.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'plainpass'")
    parts = urlsplit(database_url)
    yield urlunsplit(parts._replace(netloc=f"{name}:plainpass@{parts.hostname}:{parts.port}"))
    with psycopg.connect(database_url, autocommit=True) as admin:
        admin.execute(f"DROP OWNED BY {name}")
        admin.execute(f"DROP ROLE {name}")


def test_rights_that_are_missing_are_named_with_what_to_grant(
    settings: Settings, database_url: str, role: str
) -> None:
    name = urlsplit(role).username
    with psycopg.connect(database_url, autocommit=True) as admin:
        admin.execute(f"GRANT SELECT ON schema_migrations TO {name}")
        ((verdict, said),) = of("database", at_database(settings, role))
        assert verdict == "fail"
        assert "may not read and write" in said
        assert "GRANT" in said
        admin.execute(
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {name}"
        )
        # As PostGIS has one beside ours: nobody needs to write there.
        admin.execute("CREATE TABLE of_an_extension (id int)")
        admin.execute("ALTER EXTENSION plpgsql ADD TABLE of_an_extension")
    found = of("database", at_database(settings, role))
    assert [verdict for verdict, _ in found] == ["ok", "ok"]
    assert "may work, and not migrate" in found[1][1]


def test_a_database_that_takes_no_writes_is_no_good_one(settings: Settings) -> None:
    url = settings.database_url.get_secret_value()
    read_only = f"{url}?options=-c%20default_transaction_read_only%3Don"
    ((verdict, said),) = of("database", at_database(settings, read_only))
    assert verdict == "fail"
    assert "takes no writes" in said


def test_a_schema_that_is_behind_is_said_with_whose_it_is_to_mend(
    settings: Settings, database_url: str, role: str
) -> None:
    name = f"behind_{uuid4().hex[:12]}"
    with psycopg.connect(database_url, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
    try:
        ((verdict, said),) = of("database", at_database(settings, named(role, name)))
        assert verdict == "fail"
        assert "migration(s) behind" in said
        assert "As its owner" in said
    finally:
        drop_database(database_url, named(database_url, name))


def test_a_refusal_is_told_at_once(settings: Settings) -> None:
    url = settings.database_url.get_secret_value()
    with pytest.raises(DatabaseRefuses, match="authentication failed"):
        at_database(settings, url.replace("@", "x@", 1))


@needs_pgbouncer
def test_a_pooler_that_nobody_told_of_is_found_and_said(settings: Settings) -> None:
    url = settings.database_url.get_secret_value()
    # Not pytest's folder: it is private to the user, and PgBouncer runs as another.
    with (
        tempfile.TemporaryDirectory(prefix="safelight-pooler-") as folder,
        pooler(url, Path(folder)) as pooled,
    ):
        ((verdict, said),) = of("database", at_database(settings, pooled))
    assert verdict == "ok"
    assert "through a pooler in transaction mode" in said


def at_broker(settings: Settings) -> tuple[str, str]:
    ((verdict, said),) = of("broker", list(checks_broker.look(settings)))
    return verdict, said


def test_a_broker_is_good_once_a_hint_went_through_it(
    settings: Settings, redis_client: redis.Redis
) -> None:
    redis_client.flushall()
    verdict, said = at_broker(settings)
    assert verdict == "ok"
    assert "a hint went through it" in said
    assert "Valkey 9" in said
    assert [key for key in redis_client.scan_iter() if b"doctor" in key] == []


def test_a_broker_that_forgets_hints_when_it_is_full_is_named(
    settings: Settings, redis_client: redis.Redis
) -> None:
    redis_client.config_set("maxmemory", "1gb")
    redis_client.config_set("maxmemory-policy", "allkeys-lru")
    try:
        verdict, said = at_broker(settings)
        assert (verdict, "noeviction" in said) == ("warn", True)
        redis_client.config_set("maxmemory-policy", "noeviction")
        used = int(redis_client.info("memory")["used_memory"])
        redis_client.config_set("maxmemory", str(used + 100_000))
        verdict, said = at_broker(settings)
        assert (verdict, "% full" in said) == ("warn", True)
    finally:
        redis_client.config_set("maxmemory", "0")
        redis_client.config_set("maxmemory-policy", "noeviction")


def test_the_time_of_a_store_is_read_off_any_answer_of_its(stores: Stores) -> None:
    seconds = dates.ahead_of(stores.s3.endpoint)
    assert seconds is not None
    assert abs(seconds) < 5
    assert dates.ahead_of("http://127.0.0.1:9") is None


def test_a_token_is_looked_at_before_it_is_sent_anywhere() -> None:
    assert TOKEN.fullmatch("r8_" + "A1b" * 12 + "z")
    for odd in ("r8_short", "r7_" + "a" * 37, "r8_" + "a" * 38, "sk-" + "a" * 37):
        assert not TOKEN.fullmatch(odd)
    found = checks.run_all({**AWAY, "REPLICATE_BASE_URL": "http://no.such.host.invalid"})
    (odd_token,) = [c for c in found if c.what == "provider" and c.verdict == "warn"]
    assert "8 characters" in odd_token.seen
    assert "r8_short" not in odd_token.seen


def test_everything_away_is_told_in_seconds_each_by_its_own_words() -> None:
    started = time.monotonic()
    found = checks.run_all(AWAY)
    assert time.monotonic() - started < 15
    failing = {check.what: check for check in found if check.verdict == "fail"}
    assert set(failing) >= {"database", "broker", "object store", "provider"}
    assert "refused" in failing["database"].seen
    assert not any("hunter22" in f"{check}" for check in found)


def test_what_cannot_be_right_is_said_and_nothing_is_asked() -> None:
    found = checks.run_all({**AWAY, "BROKER_URL": "memory://"})
    assert found[-1].what == "settings"
    assert "BROKER_URL: memory:// passes nothing on" in found[-1].seen


def test_what_was_left_out_of_an_address_is_said() -> None:
    found = checks.run_all({**AWAY, "DATABASE_URL": AWAY["DATABASE_URL"] + "?pool_size=5"})
    assert any("DATABASE_URL: pool_size is left out" in check.seen for check in found)
