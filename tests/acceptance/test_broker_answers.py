"""Workers outlive what comes from their broker: a failover, a server that is full, others' messages."""

from __future__ import annotations

import time
from pathlib import Path

import redis

from safelight.clients.broker import Broker
from safelight.db.transaction import Hint
from safelight.domain.ids import new_id
from safelight.domain.queues import Queue
from tests.support.processes import wait_until
from tests.support.programs import running, worker
from tests.support.servers import Stores

QUEUES = (Queue.POLL, Queue.PREPROCESS)
"""One in threads, one in processes."""


def test_workers_go_on_after_a_broker_that_was_read_only_or_full_or_held_what_is_no_message(
    stores: Stores, given: dict[str, str], tmp_path: Path
) -> None:
    """Each answer is an error and no lost connection: it ended every worker for good."""
    broker = Broker(stores.broker_url)
    with (
        redis.Redis(unix_socket_path=stores.broker_url.removeprefix("redis+socket://")) as valkey,
        running("poll", worker("poll"), given, tmp_path) as poll,
        running("preprocess", worker("preprocess"), given, tmp_path) as preprocess,
    ):
        programs = (poll, preprocess)
        for program in programs:
            program.until_ready(90)
        took_hints(broker, valkey)

        # A failover: who waited in BRPOP is sent away (UNBLOCKED), and nothing is written (READONLY).
        valkey.replicaof("127.0.0.1", "1")
        time.sleep(5)
        valkey.replicaof("NO", "ONE")
        took_hints(broker, valkey)

        valkey.config_set("maxmemory", "1")
        broker.send([Hint(queue, new_id()) for queue in QUEUES])
        time.sleep(6)  # the unacked are looked at each 5 s
        valkey.config_set("maxmemory", "0")
        took_hints(broker, valkey)

        # Somebody else's words in our queues.
        for words in (b"no message", b"[]", b"\xff\xfe"):
            for queue in QUEUES:
                valkey.lpush(str(queue), words)
        took_hints(broker, valkey)
        for program in programs:
            assert program.process.poll() is None, program.text[-3000:]
            assert "Unrecoverable" not in program.text
    assert "read only replica" in poll.text
    broker.close()


def took_hints(broker: Broker, valkey: redis.Redis) -> None:
    """Hints are sent, taken and acknowledged."""
    hints = [Hint(queue, new_id()) for queue in QUEUES]

    def taken() -> bool:
        broker.send(hints)  # as the sweep does, each second
        time.sleep(1)
        held = broker.depths()
        return not any(held[queue] for queue in QUEUES) and not valkey.hlen("unacked")

    wait_until(taken, 45, f"hints are taken: {broker.depths()}, unacked {valkey.hlen('unacked')}")
