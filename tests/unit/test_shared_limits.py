"""The shared limits' Lua, run on fakeredis: no server, and time moves by what the bucket has on record.

fakeredis runs both scripts as Valkey does (Lua 5.1 from lupa). That several processes share one bucket,
and what happens where it is away, is tested on a real Valkey: tests/integration/test_limits.py.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import fakeredis
import pytest

from safelight.clients.limits import (
    A_MINUTE,
    BACK_SECONDS,
    BURST_SECONDS,
    CREATES,
    OTHERS,
    SHARE,
    SLOWEST,
    UNSAID_SECONDS,
    SharedLimits,
    Throttled,
)

RATE = A_MINUTE[CREATES] * SHARE / 60
"""Requests a second."""
FULL = round(RATE * BURST_SECONDS)


class Bucket:
    """The limits of one token and, beside them, what Valkey has of them."""

    def __init__(self, token: str, server: fakeredis.FakeServer) -> None:
        self.valkey = fakeredis.FakeRedis(server=server, decode_responses=True)
        client = fakeredis.FakeRedis(server=server)
        self.limits = SharedLimits("redis://not-used", token, client=client)

    def key(self, kind: str = CREATES) -> str:
        (found,) = self.valkey.keys(f"*:{kind}")
        return str(found)

    def pass_time(self, seconds: float) -> None:
        """Whatever it has on record was so many seconds earlier."""
        for field in ("at", "until", "slowed"):
            if self.valkey.hexists(self.key(), field):
                self.valkey.hincrbyfloat(self.key(), field, -seconds)

    def holds(self, expected: float, rate: float = RATE) -> bool:
        """Whether just so many can be taken until it is empty, and what drips in at *rate* meanwhile."""
        started, taken = time.monotonic(), 0
        while not self.wait():
            taken += 1
        dripped = (time.monotonic() - started) * rate
        return expected - 1 <= taken <= expected + dripped + 1

    def wait(self, kind: str = CREATES) -> float:
        """Take one; 0, or the seconds until there is room."""
        try:
            self.limits.take(kind)
        except Throttled as full:
            return full.after or 0.0
        return 0.0


@pytest.fixture
def server() -> fakeredis.FakeServer:
    return fakeredis.FakeServer()


@pytest.fixture
def bucket(server: fakeredis.FakeServer) -> Iterator[Bucket]:
    found = Bucket("r8_one", server)
    yield found
    assert found.limits._away_until == 0, "a script failed, and it went on alone"
    found.limits.close()


def test_a_new_bucket_holds_what_comes_together_in_a_burst(bucket: Bucket) -> None:
    assert bucket.holds(FULL)


def test_an_empty_bucket_says_when_there_is_room_and_to_be_told_so_costs_nothing(
    bucket: Bucket,
) -> None:
    for _ in range(20):
        bucket.limits.refused(CREATES, 0.0)
    assert bucket.holds(1, SLOWEST / 60)
    waits = [bucket.wait() for _ in range(5)]
    assert waits == sorted(waits, reverse=True)
    assert 0 < waits[-1] <= waits[0] <= 60 / SLOWEST


def test_a_bucket_fills_at_its_rate_and_not_over_its_brim(bucket: Bucket) -> None:
    assert bucket.holds(FULL)
    emptied = time.monotonic()
    bucket.pass_time(2)
    assert bucket.holds((2 + time.monotonic() - emptied) * RATE)
    bucket.pass_time(3600)
    assert bucket.holds(FULL)


def test_a_429_holds_up_its_kind_for_as_long_as_it_says_and_no_other(bucket: Bucket) -> None:
    bucket.limits.refused(CREATES, 40.0)
    assert bucket.wait() == pytest.approx(40, abs=5)
    assert bucket.wait(OTHERS) == 0
    bucket.pass_time(20)
    assert bucket.wait() == pytest.approx(20, abs=5)
    bucket.pass_time(20)
    assert bucket.wait() == 0


def test_a_429_that_does_not_say_for_how_long_is_waited_out(bucket: Bucket) -> None:
    bucket.limits.refused(CREATES, None)
    assert bucket.wait() == pytest.approx(UNSAID_SECONDS, abs=5)


def test_a_429_halves_the_rate_and_after_a_while_it_doubles_again(bucket: Bucket) -> None:
    def is_one(share: float) -> bool:
        """Whether a full bucket holds this share, which is what comes in ten seconds."""
        bucket.valkey.hdel(bucket.key(), "left")
        return bucket.holds(FULL * share, RATE * share)

    bucket.limits.refused(CREATES, 0.0)
    bucket.limits.refused(CREATES, 0.0)
    assert is_one(1 / 4)
    bucket.pass_time(BACK_SECONDS)
    assert is_one(1 / 2)
    bucket.pass_time(BACK_SECONDS)
    assert is_one(1)
    bucket.pass_time(10 * BACK_SECONDS)
    assert is_one(1), "never over the provider's limit"


def test_a_rate_that_has_come_back_a_little_is_halved_from_there(bucket: Bucket) -> None:
    for _ in range(3):
        bucket.limits.refused(CREATES, 0.0)
    bucket.pass_time(BACK_SECONDS + 1)
    bucket.limits.refused(CREATES, 0.0)
    assert float(bucket.valkey.hget(bucket.key(), "rate") or 0) == pytest.approx(60 * RATE / 8)


def test_however_often_it_is_halved_what_is_always_allowed_is_left(bucket: Bucket) -> None:
    for _ in range(20):
        bucket.limits.refused(CREATES, 0.0)
    assert bucket.holds(1, SLOWEST / 60)
    assert bucket.wait() == pytest.approx(60 / SLOWEST, abs=5)


def test_another_client_of_the_token_draws_from_the_same_bucket_and_another_token_does_not(
    bucket: Bucket, server: fakeredis.FakeServer
) -> None:
    assert bucket.holds(FULL)
    same, other = Bucket("r8_one", server), Bucket("r8_other", server)
    assert max(same.wait() for _ in range(9)) > 0
    assert other.holds(FULL)
    same.limits.close()
    other.limits.close()


def test_a_bucket_that_nobody_asks_is_forgotten_and_shows_no_token(bucket: Bucket) -> None:
    bucket.wait()
    assert "r8_one" not in bucket.key()
    assert 0 < bucket.valkey.ttl(bucket.key()) <= 3600
    bucket.valkey.persist(bucket.key())
    bucket.limits.refused(CREATES, 1.0)
    assert 0 < bucket.valkey.ttl(bucket.key()) <= 3600
