"""RabbitMQ carries hints as Valkey does, and one that hangs holds nobody up for long."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator

import pytest

from safelight.clients.broker import Broker, BrokerUnusable
from safelight.db.transaction import Hint
from safelight.domain.ids import new_id
from safelight.domain.queues import Queue
from tests.support.rabbitmq import RabbitMQ, needs_rabbitmq, running

pytestmark = needs_rabbitmq


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMQ]:
    with running(tmp_path_factory.mktemp("rabbitmq")) as found:
        yield found


def test_hints_go_through_it_and_are_counted(node: RabbitMQ) -> None:
    for url in (node.url, node.url.replace("amqp", "pyamqp"), f"amqp://127.0.0.1:9;{node.url}"):
        broker = Broker(url)
        before = broker.depths()[Queue.POLL]
        assert broker.try_out() < 5
        broker.send([Hint(Queue.POLL, new_id())])
        assert broker.depths()[Queue.POLL] == before + 1
        broker.close()


def test_a_wrong_password_is_said_and_no_secret_with_it(node: RabbitMQ) -> None:
    broker = Broker(node.url.replace("guest@", "wrong-word@"))
    with pytest.raises(BrokerUnusable, match="ACCESS_REFUSED") as met:
        broker.try_out()
    assert "wrong-word" not in str(met.value)
    broker.close()


def test_one_that_hangs_holds_up_nobody_who_sends_a_hint(node: RabbitMQ) -> None:
    """It took the clock and the API's requests with it, without an end and without a word."""
    broker = Broker(node.url)
    hint = [Hint(Queue.CLEANUP, new_id())]
    broker.send(hint)
    before = broker.depths()[Queue.CLEANUP]
    node.signal(signal.SIGSTOP)
    try:
        for _ in range(2):
            started = time.monotonic()
            broker.send(hint)
            assert time.monotonic() - started < 9
        started = time.monotonic()
        with pytest.raises(Exception):  # noqa: B017, PT011 (whatever the transport says)
            broker.depths()
        assert time.monotonic() - started < 9
    finally:
        node.signal(signal.SIGCONT)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        broker.send(hint)
        if broker.depths()[Queue.CLEANUP] > before:
            break
    assert broker.depths()[Queue.CLEANUP] > before
    broker.close()
