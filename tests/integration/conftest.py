"""Real Postgres, Valkey and SeaweedFS, started once; a database of its own for each test."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from safelight import config, deps
from safelight.config import Settings
from safelight.flow.context import Context
from tests.support.database import drop_database, fresh_database, make_template
from tests.support.servers import Stores, start_stores


@pytest.fixture(scope="session")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stores]:
    stores = start_stores(tmp_path_factory.mktemp("stores"))
    make_template(stores.database_url)
    yield stores
    stores.stop()


@pytest.fixture
def database_url(stores: Stores) -> Iterator[str]:
    url = fresh_database(stores.database_url)
    yield url
    drop_database(stores.database_url, url)


@pytest.fixture
def settings(stores: Stores, database_url: str) -> Settings:
    return config.load(
        {
            "DATABASE_URL": database_url,
            "BROKER_URL": stores.broker_url,
            "S3_ENDPOINT_URL": stores.s3.endpoint,
            "S3_BUCKET": stores.s3.bucket,
            "AWS_ACCESS_KEY_ID": stores.s3.access_key,
            "AWS_SECRET_ACCESS_KEY": stores.s3.secret_key,
            "REPLICATE_API_TOKEN": "r8_" + "t" * 37,
            # Nothing listens there: a test that needs the provider passes its own.
            "REPLICATE_BASE_URL": "http://127.0.0.1:9",
        }
    )


@pytest.fixture
def cx(settings: Settings) -> Iterator[Context]:
    cx = deps.open_context(settings, "test")
    yield cx
    deps.close_context(cx)


def pytest_collection_modifyitems(items: list[Any]) -> None:
    for item in items:
        if item.nodeid.startswith("tests/integration/"):
            item.add_marker(pytest.mark.timeout(120))
