"""What the integration tests share: real stores, a database a test, and a context that works on them.

A test that overrides `provider` (or `eye`, or `store`) gets it in `cx`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import psycopg
import pytest
import redis

from safelight import config
from safelight.clients.broker import Broker
from safelight.clients.s3 import S3Store
from safelight.config import models_folder
from safelight.db.transaction import Database
from safelight.deps import open_store
from safelight.flow.commands import Actor
from safelight.flow.context import Context
from safelight.flow.heartbeat import Heartbeat
from safelight.settings import Settings
from safelight.stages.tools import Eye, Tools
from safelight.vision.guard import GuardedEye
from tests.support.api import Client, Door, door, running
from tests.support.database import drop_database, fresh_database
from tests.support.eye import RememberingEye
from tests.support.pipeline import actor
from tests.support.servers import Stores, start_stores


class NoProvider:
    """Stands where a provider would: whatever is asked of it fails the test."""

    def close(self) -> None:
        pass

    def __getattr__(self, name: str) -> NoReturn:
        raise AssertionError(f"This test expected nothing of the provider; {name!r} was used.")


@pytest.fixture(scope="session")
def stores() -> Iterator[Stores]:
    """Postgres, Valkey and SeaweedFS, started once. Tests that kill them start their own."""
    # Not pytest's folder: it is private to the user, and the servers may run as another.
    with tempfile.TemporaryDirectory(prefix="safelight-tests-") as folder:
        found = start_stores(Path(folder) / "stores")
        try:
            with psycopg.connect(found.database_url, autocommit=True) as admin:
                # A thousand databases are made and dropped; what survives a crash is others' to show.
                admin.execute("ALTER SYSTEM SET fsync = off")
                admin.execute("SELECT pg_reload_conf()")
            yield found
        finally:
            found.remove()


@pytest.fixture
def database_url(stores: Stores) -> Iterator[str]:
    """A migrated, empty database."""
    url = fresh_database(stores.database_url)
    yield url
    drop_database(stores.database_url, url)


@pytest.fixture
def redis_client(stores: Stores) -> Iterator[redis.Redis]:
    """The broker's server itself."""
    path = stores.broker_url.removeprefix("redis+socket://")
    with redis.Redis(unix_socket_path=path) as client:
        yield client


@pytest.fixture
def settings(stores: Stores, database_url: str) -> Settings:
    """Settings that lead to the stores and to this test's database."""
    return config.load(
        {
            **stores.environment,
            "DATABASE_URL": database_url,
            "REPLICATE_API_TOKEN": "r8_none",
            # Where nothing listens: a test that asks the provider for real fails at once.
            "REPLICATE_BASE_URL": "http://127.0.0.1:9",
        }
    )


@pytest.fixture(scope="session")
def store(stores: Stores) -> Iterator[S3Store]:
    """The object store; its keys carry ids, so tests may share it."""
    found = open_store(config.load({**stores.environment, "REPLICATE_API_TOKEN": "r8_none"}))
    yield found
    found.close()


@pytest.fixture(scope="session")
def eye() -> Iterator[Eye]:
    """The real eye, which looks at the same file once: its child process is started by the first photo."""
    found = RememberingEye(GuardedEye(models=models_folder()))
    yield found
    found.close()


@pytest.fixture
def provider() -> Any:
    """No provider: a test that needs one overrides this."""
    return NoProvider()


@pytest.fixture
def cx(
    settings: Settings, redis_client: redis.Redis, store: S3Store, eye: Eye, provider: Any
) -> Iterator[Context]:
    """A context on real stores and an empty broker, with this test's `provider`."""
    redis_client.flushall()
    broker = Broker(settings.broker_url.get_secret_value())
    db = Database(settings.database_url.get_secret_value(), broker.send)
    heartbeat = Heartbeat(db, settings.lease_seconds)
    yield Context(
        settings=settings,
        db=db,
        tools=Tools(store, provider, eye),
        broker=broker,
        heartbeat=heartbeat,
        worker="test@here:1",
    )
    heartbeat.close()
    broker.close()
    db.close()


@pytest.fixture
def who(cx: Context) -> Actor:
    """The owner `acme`, as a test acts for it."""
    return actor(cx)


def pytest_collection_modifyitems(items: list[Any]) -> None:
    for item in items:
        if item.nodeid.startswith("tests/integration/"):
            item.add_marker(pytest.mark.timeout(120))


@pytest.fixture
def client(cx: Context) -> Iterator[Client]:
    """The HTTP API, started, without a key."""
    with running(cx) as found:
        yield found


@pytest.fixture
def acme(cx: Context, client: Client) -> Door:
    """The HTTP API with a key of the owner `acme`."""
    return door(cx, client, "acme")


@pytest.fixture
def other(cx: Context, client: Client) -> Door:
    """The HTTP API with a key of somebody else."""
    return door(cx, client, "other")
