"""Links that die without a word: connections stay open, bytes are taken, and nothing is answered."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from safelight.chaos.proxy import Proxy, Target
from safelight.clients.broker import Broker
from safelight.db import patience
from safelight.db.faults import DatabaseAway
from safelight.db.patience import PatientConnection, Silent
from safelight.db.transaction import Database, Hint
from safelight.domain.ids import new_id
from safelight.domain.queues import Queue
from tests.support.servers import Stores


@pytest.fixture
def link(database_url: str) -> Iterator[Proxy]:
    proxy = Proxy(Target(urlsplit(database_url).port or 0))
    yield proxy
    proxy.close()


def by(database_url: str, link: Proxy) -> str:
    """The database's address by way of *link*."""
    return database_url.replace(f":{urlsplit(database_url).port}/", f":{link.port}/")


def through(database_url: str, link: Proxy) -> Database:
    return Database(by(database_url, link), lambda _hints: None)


def test_a_database_that_takes_bytes_and_answers_nothing_is_away_and_then_back(
    database_url: str, link: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PatientConnection, "answer_seconds", 1.0)
    db = through(database_url, link)
    with db.transaction() as tx:
        tx.rows("SELECT 1")
    link.half_open()
    started = time.monotonic()
    with pytest.raises(DatabaseAway, match="not answered"), db.transaction() as tx:
        tx.rows("SELECT 1")
    assert time.monotonic() - started < 5
    with db.transaction() as tx:
        assert tx.rows("SELECT 1")
    db.close()


def test_connections_that_rested_while_their_link_died_are_all_replaced_within_seconds(
    database_url: str, link: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of them looks alive; tried one after the other they would hold a worker up for minutes."""
    monkeypatch.setattr(patience, "REST_SECONDS", 0.2)
    monkeypatch.setattr(patience, "SIGN_SECONDS", 1.0)
    db = through(database_url, link)
    with ExitStack() as at_once:
        for _ in range(4):
            at_once.enter_context(db.transaction()).rows("SELECT 1")
    time.sleep(0.3)
    link.half_open()
    started = time.monotonic()
    with db.transaction() as tx:
        assert tx.rows("SELECT 1")
    assert time.monotonic() - started < 4
    db.close()


def test_a_statement_that_is_not_answered_has_the_other_connections_replaced_too(
    database_url: str, link: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PatientConnection, "answer_seconds", 1.0)
    db = through(database_url, link)
    with ExitStack() as at_once:
        for _ in range(4):
            at_once.enter_context(db.transaction()).rows("SELECT 1")
    link.half_open()
    with pytest.raises(DatabaseAway, match="not answered"), db.transaction() as tx:
        tx.rows("SELECT 1")
    started = time.monotonic()
    with db.transaction() as tx:
        assert tx.rows("SELECT 1")
    assert time.monotonic() - started < 0.9
    db.close()


def test_only_a_connection_that_rested_is_asked_for_a_sign_of_life(
    database_url: str, link: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is a round trip, and most transactions have few. Nobody answers here: to ask is to be told."""
    monkeypatch.setattr(patience, "REST_SECONDS", 60.0)
    monkeypatch.setattr(patience, "SIGN_SECONDS", 0.5)
    connection = PatientConnection.connect(by(database_url, link), autocommit=True)
    connection.execute("SELECT 1")
    link.half_open()
    connection.check()
    monkeypatch.setattr(patience, "REST_SECONDS", 0.0)
    with pytest.raises(Silent):
        connection.check()


def test_a_slow_statement_that_is_answered_in_time_is_waited_for(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PatientConnection, "answer_seconds", 2.0)
    db = Database(database_url, lambda _hints: None)
    with db.transaction() as tx:
        for _ in range(3):
            tx.rows("SELECT pg_sleep(1)")
    db.close()


@pytest.mark.parametrize("fault", ["down", "half_open", "reset", "cut"])
def test_whoever_sends_a_hint_does_not_wait_long_for_a_broker_that_is_away(
    stores: Stores, fault: str
) -> None:
    path = stores.broker_url.removeprefix("redis+socket://").partition("?")[0]
    proxy = Proxy(Target(path=Path(path)))
    broker = Broker(f"redis://127.0.0.1:{proxy.port}/7")
    hint = Hint(Queue.CLEANUP, new_id())
    broker.send([hint])
    getattr(proxy, fault)()
    started = time.monotonic()
    broker.send([hint])
    assert time.monotonic() - started < 10
    proxy.up()
    deadline = time.monotonic() + 10
    while broker.depths()[Queue.CLEANUP] < 2 and time.monotonic() < deadline:
        broker.send([hint])
    assert broker.depths()[Queue.CLEANUP] >= 2
    broker.close()
    proxy.close()


def test_a_proxy_forwards_and_slows_and_refuses() -> None:
    server = socket.create_server(("127.0.0.1", 0))

    def echo() -> None:
        while True:
            try:
                there, _ = server.accept()
            except OSError:
                return
            with there:
                there.sendall(there.recv(10))

    threading.Thread(target=echo, daemon=True).start()
    proxy = Proxy(Target(server.getsockname()[1]))

    def ask() -> bytes:
        with socket.create_connection(("127.0.0.1", proxy.port), timeout=3) as here:
            here.sendall(b"hello")
            return here.recv(10)

    assert ask() == b"hello"
    proxy.slow()
    started = time.monotonic()
    assert ask() == b"hello"
    assert time.monotonic() - started > 0.4
    proxy.down()
    with pytest.raises(OSError):  # noqa: PT011 (refused or reset, as the kernel has it)
        ask()
    proxy.up()
    assert ask() == b"hello"
    proxy.cut()
    with pytest.raises(OSError):  # noqa: PT011 (refused or reset, as the kernel has it)
        ask()
    proxy.close()
    server.close()
