"""The S3 client against a real object store, the broker client against a real Valkey."""

from __future__ import annotations

import hashlib
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import redis

from safelight.clients.broker import Broker, transport_options
from safelight.clients.redis_url import plain
from safelight.clients.s3 import S3Store
from safelight.db.transaction import Hint
from safelight.domain.errors import ObjectMissing, Retryable, SafelightError
from safelight.domain.queues import Queue


@pytest.fixture
def store(stores: Any) -> Iterator[S3Store]:
    s3 = stores.s3
    store = S3Store(
        s3.bucket, endpoint_url=s3.endpoint, access_key=s3.access_key, secret_key=s3.secret_key
    )
    yield store
    store.close()


@pytest.fixture
def key() -> str:
    return f"test/{uuid4()}"


def test_what_is_put_is_got_back_with_its_size_and_sha256(
    store: S3Store, key: str, tmp_path: Path
) -> None:
    data = b"darkroom" * 1000
    put = store.put_bytes(key, data, "text/plain")
    assert (put.bytes, put.sha256) == (8000, hashlib.sha256(data).hexdigest())
    there = store.head(key)
    assert there is not None
    assert (there.bytes, there.sha256) == (put.bytes, put.sha256)
    got = store.get_file(key, tmp_path / "got")
    assert (got.bytes, got.sha256) == (put.bytes, put.sha256)
    assert store.get_bytes(key) == data


def test_a_file_is_streamed_in_and_out(store: S3Store, key: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 9_000_000)
    store.put_file(key, path, "application/octet-stream")
    assert store.get_file(key, tmp_path / "out").bytes == 9_000_000


def test_what_is_not_there_is_said_to_be_missing(store: S3Store, key: str, tmp_path: Path) -> None:
    assert store.head(key) is None
    with pytest.raises(ObjectMissing, match=key):
        store.get_bytes(key)
    with pytest.raises(ObjectMissing, match=key):
        store.get_file(key, tmp_path / "x")
    store.delete([key])  # no error


def test_more_bytes_than_the_limit_are_refused(store: S3Store, key: str) -> None:
    store.put_bytes(key, b"12345", "text/plain")
    with pytest.raises(SafelightError, match="over 4 bytes"):
        store.get_bytes(key, limit=4)


def test_copies_lists_and_deletes(store: S3Store, key: str) -> None:
    store.put_bytes(f"{key}/a", b"1", "text/plain")
    store.copy(f"{key}/a", f"{key}/b")
    assert [found.key for found in store.list(f"{key}/")] == [f"{key}/a", f"{key}/b"]
    store.delete([f"{key}/a", f"{key}/b"])
    assert list(store.list(f"{key}/")) == []


def test_presigned_urls_let_one_object_in_and_out_without_our_keys(
    store: S3Store, key: str
) -> None:
    request = urllib.request.Request(
        store.presign_put(key, 60, "image/png"),
        data=b"pixels",
        method="PUT",
        headers={"Content-Type": "image/png"},
    )
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 200
    with urllib.request.urlopen(store.presign_get(key, 60)) as answer:
        assert answer.read() == b"pixels"
    wrong = store.presign_get(key, 60).replace(key, f"{key}-other")
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(wrong)


def test_a_store_that_is_away_is_a_passing_fault() -> None:
    away = S3Store("b", endpoint_url="http://127.0.0.1:9", access_key="a", secret_key="b")
    with pytest.raises(Retryable, match="cannot be reached"):
        away.head("x")
    away.close()


def test_hints_reach_their_queue_and_are_counted(stores: Any) -> None:
    broker = Broker(stores.broker_url)
    before = broker.depths()[Queue.CLEANUP]
    broker.send([Hint(Queue.CLEANUP, uuid4()) for _ in range(3)])
    assert broker.depths()[Queue.CLEANUP] == before + 3
    broker.ping()
    broker.close()


def test_a_broker_that_is_away_loses_hints_and_nothing_else() -> None:
    """The sweep sends them again: the caller never hears of it."""
    broker = Broker("redis://127.0.0.1:9/0")
    broker.send([Hint(Queue.CLEANUP, uuid4())])
    broker.close()


def test_an_address_that_only_kombu_understands_is_put_into_redis_pys_words() -> None:
    tls = "rediss://host:6380/1?ssl_cert_reqs=CERT_REQUIRED"
    assert plain(tls) == "rediss://host:6380/1?ssl_cert_reqs=required"
    assert plain("redis+socket:///tmp/v.sock?virtual_host=3") == "unix:///tmp/v.sock?db=3"
    redis.Redis.from_url(plain(tls)).connection_pool.make_connection()


def test_a_half_open_link_is_noticed_and_a_popped_message_is_not_lost() -> None:
    """celery.md, experiments H and H+rot."""
    options = transport_options("redis://x")
    assert options["socket_timeout"] == 15
    assert options["retry_on_timeout"] is True
