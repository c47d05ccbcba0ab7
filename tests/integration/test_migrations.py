"""The schema: brought up to date once, checked by whoever needs it, refused where it is behind."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import psycopg
import pytest

from safelight.db.faults import DatabaseAway
from safelight.db.migrate import check, migrate, migrations, require_current
from safelight.domain.errors import SchemaBehind
from safelight.settings import Settings
from tests.support.servers import Stores


@pytest.fixture
def empty_url(stores: Stores) -> Any:
    """A database with nothing in it."""
    name = f"empty_{uuid4().hex}"
    with psycopg.connect(stores.database_url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    yield urlunsplit(urlsplit(stores.database_url)._replace(path=f"/{name}"))
    with psycopg.connect(stores.database_url, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def test_a_new_database_is_behind_until_it_is_migrated_once(empty_url: str) -> None:
    names = [m.name for m in migrations()]
    assert check(empty_url) == names
    with pytest.raises(SchemaBehind, match="safelight db migrate"):
        require_current(empty_url)
    assert migrate(empty_url) == names
    assert migrate(empty_url) == []
    require_current(empty_url)


def test_many_migrators_at_once_run_each_migration_once(empty_url: str) -> None:
    ran: list[list[str]] = []
    threads = [threading.Thread(target=lambda: ran.append(migrate(empty_url))) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(len, ran)) == [0, 0, 0, 0, len(migrations())]


def test_a_migration_that_was_edited_after_it_ran_is_refused(empty_url: str) -> None:
    migrate(empty_url)
    with psycopg.connect(empty_url) as connection:
        connection.execute("UPDATE schema_migrations SET sha256 = 'other'")
    with pytest.raises(SchemaBehind, match="was changed after it ran"):
        check(empty_url)


def test_a_newer_schema_than_the_code_is_fine(empty_url: str) -> None:
    """Old and new workers run together during a deploy."""
    migrate(empty_url)
    with psycopg.connect(empty_url) as connection:
        connection.execute("INSERT INTO schema_migrations VALUES (9999, '9999_later', 'x')")
    assert check(empty_url) == []


def test_a_database_that_is_away_is_said_to_be() -> None:
    with pytest.raises(DatabaseAway):
        check("postgresql://nobody@127.0.0.1:9/x")


@pytest.mark.parametrize(
    "command",
    [
        ("-m", "celery", "-A", "workers.submit", "worker", "--loglevel", "INFO"),
        ("-m", "workers.beat"),
    ],
    ids=["worker", "clock"],
)
def test_a_worker_that_meets_an_older_schema_says_so_and_stops(
    empty_url: str, settings: Settings, command: tuple[str, ...]
) -> None:
    done = subprocess.run(
        (sys.executable, *command),
        env={
            "PATH": os.environ["PATH"],
            "DATABASE_URL": empty_url,
            "BROKER_URL": settings.broker_url.get_secret_value(),
            "REPLICATE_API_TOKEN": "r8_none",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "safelight db migrate" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("module", ["workers.poll", "workers.beat"])
def test_a_worker_without_its_settings_names_them_and_stops(module: str) -> None:
    command = (
        ("-m", module) if module == "workers.beat" else ("-m", "celery", "-A", module, "worker")
    )
    done = subprocess.run(
        (sys.executable, *command),
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "DATABASE_URL" in done.stderr
    assert "Traceback" not in done.stderr
