"""What acceptance tests of single programs share: real stores with the schema in them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.database import drop_database, fresh_database
from tests.support.servers import Stores, start_stores


@pytest.fixture(scope="session")
def stores() -> Iterator[Stores]:
    """Postgres, Valkey and SeaweedFS, started once."""
    # Not pytest's folder: it is private to the user, and the servers may run as another.
    with tempfile.TemporaryDirectory(prefix="safelight-tests-") as folder:
        found = start_stores(Path(folder) / "stores")
        try:
            yield found
        finally:
            found.remove()


@pytest.fixture
def given(stores: Stores) -> Iterator[dict[str, str]]:
    """The settings of a program: the stores, a database of the test's own, and no provider."""
    url = fresh_database(stores.database_url)
    yield {
        **stores.environment,
        "DATABASE_URL": url,
        "REPLICATE_API_TOKEN": "r8_none",
        # Where nothing listens: a program that asks the provider for real fails at once.
        "REPLICATE_BASE_URL": "http://127.0.0.1:9",
    }
    drop_database(stores.database_url, url)
