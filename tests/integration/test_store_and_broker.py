"""The broker client against a real Valkey. (The object store's: tests/contract/test_object_store.py.)"""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import redis

from safelight.clients.broker import Broker, transport_options
from safelight.clients.redis_url import plain
from safelight.db.transaction import Hint
from safelight.domain.queues import Queue


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
