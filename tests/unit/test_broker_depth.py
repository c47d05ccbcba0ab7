"""How many hints are sent, by how many wait: lengths from fakeredis, and no broker to send anything to.

kombu makes its own connections, so what it publishes and counts itself (`depths`) is tested on a real
Valkey: tests/integration/test_store_and_broker.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from uuid import uuid4

import fakeredis
import pytest

from safelight.clients.broker import ENOUGH, Broker, HintLike
from safelight.db.transaction import Hint
from safelight.domain.queues import Queue


class Counting(Broker):
    """Counts what it would publish."""

    def __init__(self, valkey: fakeredis.FakeRedis) -> None:
        super().__init__("redis://127.0.0.1:9/0", lengths=valkey)
        self.sent: Counter[Queue] = Counter()

    def _send(self, queue: Queue, hints: Sequence[HintLike]) -> None:
        self.sent[queue] += len(hints)


@pytest.fixture
def valkey() -> fakeredis.FakeRedis:
    return fakeredis.FakeRedis()


@pytest.fixture
def broker(valkey: fakeredis.FakeRedis) -> Iterator[Counting]:
    found = Counting(valkey)
    yield found
    found.close()


def wait_in(valkey: fakeredis.FakeRedis, queue: Queue, count: int) -> None:
    for number in range(count):
        valkey.lpush(str(queue), f"hint {number}")


def hints(queue: Queue, count: int) -> list[Hint]:
    return [Hint(queue, uuid4()) for _ in range(count)]


@pytest.mark.parametrize(
    ("there", "sent"), [(0, ENOUGH), (1, ENOUGH - 1), (ENOUGH - 1, 1), (ENOUGH, 0), (ENOUGH + 1, 0)]
)
def test_a_queue_is_filled_up_to_what_wakes_its_workers(
    broker: Counting, valkey: fakeredis.FakeRedis, there: int, sent: int
) -> None:
    wait_in(valkey, Queue.SUBMIT, there)
    broker.send(hints(Queue.SUBMIT, 100))
    assert broker.sent == Counter({Queue.SUBMIT: sent})


def test_fewer_hints_than_there_is_room_for_are_all_sent(broker: Counting) -> None:
    broker.send(hints(Queue.POLL, 3))
    assert broker.sent == Counter({Queue.POLL: 3})


def test_each_queue_is_counted_for_itself(broker: Counting, valkey: fakeredis.FakeRedis) -> None:
    wait_in(valkey, Queue.PREPROCESS, ENOUGH)
    broker.send([*hints(Queue.PREPROCESS, 5), *hints(Queue.CLEANUP, 5)])
    assert broker.sent == Counter({Queue.PREPROCESS: 0, Queue.CLEANUP: 5})


def test_where_the_lengths_cannot_be_had_nothing_is_sent_and_nobody_is_told_but_the_log(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    server = fakeredis.FakeServer()
    broker = Counting(fakeredis.FakeRedis(server=server))
    server.connected = False
    with caplog.at_level("WARNING"):  # a command that ran in this process has left another level
        broker.send(hints(Queue.SUBMIT, 2))
    assert not broker.sent
    said = capsys.readouterr()
    # By print, or by logging where another test of this process has set that up.
    assert "hints.not_sent" in said.out + said.err + caplog.text
    broker.close()
