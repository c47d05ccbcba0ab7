"""A broker's address means the same to Celery's library and to redis-py: one server, one database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
import redis

from safelight.clients import broker_health
from safelight.clients.broker import Broker, BrokerUnusable, celery_settings
from safelight.clients.limits import OTHERS, SharedLimits
from safelight.clients.redis_url import UnusableBroker, for_kombu, plain
from safelight.db.transaction import Hint
from safelight.domain.ids import new_id
from safelight.domain.queues import Queue
from tests.support.valkeys import over_tls, sentinel, valkey

WORD = "iAI/7l#D:@12%?7c=&;+ é"
QUOTED = quote(WORD, safe="")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("valkey")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[int]:
    """A server with a password, a user, a socket, and sixteen databases."""
    more = ("--requirepass", WORD, "--unixsocket", str(folder / "v.sock"))
    with valkey(folder, *more) as port:
        with redis.Redis(port=port, password=WORD) as admin:
            admin.acl_setuser(
                "safe",
                enabled=True,
                passwords=[f"+{WORD}"],
                commands=["+@all"],
                keys=["*"],
                channels=["*"],
            )
        yield port


@pytest.fixture(scope="module")
def tls(server: int, folder: Path) -> Iterator[tuple[int, Path]]:
    with over_tls(server, folder) as found:
        yield found


ADDRESSES = {
    "password": "redis://:{word}@127.0.0.1:{port}/3",
    "user": "redis://safe:{word}@127.0.0.1:{port}/3",
    "valkey": "valkey://safe:{word}@127.0.0.1:{port}/3",
    "parameter": "redis://safe:{word}@127.0.0.1:{port}?db=3",
    "kombu's parameter": "redis://safe:{word}@127.0.0.1:{port}?virtual_host=3",
    "a client's settings": "redis://safe:{word}@127.0.0.1:{port}/3?socket_timeout=9&protocol=3",
    "kombu's socket": "redis+socket://safe:{word}@{folder}/v.sock?virtual_host=3",
    "redis-py's socket": "unix://safe:{word}@{folder}/v.sock?db=3",
    "tls": "rediss://safe:{word}@127.0.0.1:{tls}/3?ssl_ca_certs={ca}",
    "valkey's tls": "valkeys://safe:{word}@127.0.0.1:{tls}/3?ssl_ca_certs={ca}",
    "kombu's tls": "rediss://:{word}@127.0.0.1:{tls}/3?ssl_cert_reqs=CERT_REQUIRED&ssl_ca_certs={ca}",
    "unchecked tls": "rediss://safe:{word}@127.0.0.1:{tls}/3?ssl_cert_reqs=none",
}


@pytest.mark.parametrize("label", ADDRESSES)
def test_hints_their_number_and_the_limits_are_in_the_same_database(
    server: int, tls: tuple[int, Path], folder: Path, label: str
) -> None:
    url = ADDRESSES[label].format(
        word=QUOTED, port=server, folder=folder, tls=tls[0], ca=quote(str(tls[1]))
    )
    with redis.Redis(port=server, password=WORD) as admin:
        admin.flushall()
    broker = Broker(url)
    broker.send([Hint(Queue.POLL, new_id()) for _ in range(2)])
    assert broker._waiting(Queue.POLL) == broker.depths()[Queue.POLL] == 2
    assert broker.try_out() < 5
    broker.close()
    limits = SharedLimits(url, "r8_x")
    limits.take(OTHERS)
    limits.close()
    assert broker_health.ask(url) is not None
    with redis.Redis(port=server, password=WORD, db=3) as third:
        keys = {key.decode() for key in third.scan_iter()}
        assert third.llen("poll") == 2
    assert any("limits" in key for key in keys)
    assert not any("doctor" in key for key in keys), "what was tried out is gone"
    with redis.Redis(port=server, password=WORD) as first:
        assert first.keys() == []


def test_a_certificate_that_nobody_vouches_for_is_refused_by_both(
    server: int, tls: tuple[int, Path]
) -> None:
    """kombu would have taken any certificate, where redis-py asked for a good one."""
    url = f"rediss://safe:{QUOTED}@127.0.0.1:{tls[0]}/3"
    broker = Broker(url)
    with pytest.raises(BrokerUnusable, match="CERTIFICATE_VERIFY_FAILED"):
        broker.try_out()
    broker.close()
    with pytest.raises(broker_health.BrokerAway, match="CERTIFICATE_VERIFY_FAILED"):
        broker_health.ping(url)


def test_sentinel_leads_to_its_master_for_hints_lengths_and_limits(
    server: int, tmp_path: Path
) -> None:
    more = (f"sentinel auth-pass main {QUOTED}", "requirepass sentinels-own")
    with (
        valkey(tmp_path / "master", "--requirepass", QUOTED) as master,
        sentinel(tmp_path / "sentinel", master, "main", *more) as port,
    ):
        password = quote(QUOTED, safe="")
        url = (
            f"sentinel://:{password}@127.0.0.1:9;sentinel://127.0.0.1:{port}/3"
            "?master_name=main&sentinel_password=sentinels-own"
        )
        broker = Broker(url)
        broker.send([Hint(Queue.POLL, new_id())])
        assert broker._waiting(Queue.POLL) == broker.depths()[Queue.POLL] == 1
        assert broker.try_out() < 10
        broker.close()
        limits = SharedLimits(url, "r8_x")
        limits.take(OTHERS)
        limits.close()
        with redis.Redis(port=master, password=QUOTED, db=3) as there:
            assert there.llen("poll") == 1
            assert any(b"limits" in key for key in there.scan_iter())


def test_a_password_that_is_wrong_or_missing_is_said_and_not_called_an_answer(server: int) -> None:
    for login, said in (("", "NOAUTH|Authentication"), (":wrong-word@", "WRONGPASS|invalid")):
        broker = Broker(f"redis://{login}127.0.0.1:{server}/0")
        with pytest.raises(BrokerUnusable, match=said) as met:
            broker.try_out()
        assert "wrong-word" not in str(met.value)
        broker.close()


@pytest.mark.parametrize("full", [True, False])
def test_a_broker_that_takes_nothing_is_no_broker_that_answers(server: int, full: bool) -> None:
    """Full with noeviction, or a replica since it failed over: it answers every PING."""
    url = f"redis://:{QUOTED}@127.0.0.1:{server}/5"
    broker = Broker(url)
    with redis.Redis(port=server, password=WORD) as admin:
        admin.flushall()
        if full:
            admin.config_set("maxmemory-policy", "noeviction")
            admin.config_set("maxmemory", "1")
        else:
            admin.replicaof("127.0.0.1", "1")
        try:
            broker.ping()
            with pytest.raises(BrokerUnusable, match="maxmemory" if full else "read only"):
                broker.try_out()
            broker.send([Hint(Queue.POLL, new_id())])  # logged, and left to the sweep
        finally:
            admin.config_set("maxmemory", "0")
            admin.replicaof("NO", "ONE")
    assert broker.try_out() < 5
    broker.send([Hint(Queue.POLL, new_id())])
    assert broker.depths()[Queue.POLL] == 1
    broker.close()


@pytest.mark.parametrize("url", ["memory://", "sqs://", "redis+cluster://h", "redis://a;redis://b"])
def test_whoever_makes_a_client_of_an_unusable_address_is_told(url: str) -> None:
    with pytest.raises(UnusableBroker, match="The broker's address: "):
        Broker(url)
    with pytest.raises(UnusableBroker):
        celery_settings(url, tuple(Queue))


def test_rabbitmqs_addresses_are_passed_on_with_what_tls_needs() -> None:
    assert for_kombu("pyamqp://u:p%40@h:5672/v") == ("amqp://u:p%40@h:5672/v", {})
    both, more = for_kombu("amqp://u:p@a/v;amqp://u:p@b/v")
    assert (both, more) == ("amqp://u:p@a/v;amqp://u:p@b/v", {})
    url, more = for_kombu("amqps://u:p@h//?ssl_ca_certs=/ca.pem")
    assert url == "amqps://u:p@h//"
    assert more["broker_use_ssl"]["ca_certs"] == "/ca.pem"
    assert "server_hostname" in more["broker_use_ssl"], "the name is checked"


def test_an_address_for_redis_py_says_what_kombus_says() -> None:
    assert plain("redis+socket:///tmp/v.sock?virtual_host=3") == "unix:///tmp/v.sock?db=3"
    assert plain("valkeys://h:6380/1") == "rediss://h:6380/1?ssl_cert_reqs=required"
